"""Captures are bounded, frames are split right, and nothing printed can drive a terminal."""

from __future__ import annotations

import struct
import unicodedata

import pytest
from hypothesis import given, strategies as st

from sandbox.box.streams import Capture, Demultiplexer, FramingError, display_safe


@given(st.binary(max_size=3000), st.lists(st.integers(0, 200)), st.integers(2, 500))
def test_capture_keeps_both_ends_and_counts_the_rest(
    data: bytes, cuts: list[int], limit: int
) -> None:
    capture = Capture(limit)
    rest = data
    for cut in cuts:
        capture.write(rest[:cut])
        rest = rest[cut:]
    capture.write(rest)
    kept = capture.captured()
    assert capture.total_bytes == len(data)
    assert kept.head == data[: limit // 2]
    assert len(kept.head) + len(kept.tail) <= limit
    assert len(kept.head) + kept.dropped_bytes + len(kept.tail) == len(data)
    assert data.endswith(kept.tail)
    if len(data) <= limit:
        assert kept.data == data


def test_capture_of_a_million_tiny_writes_stays_small() -> None:
    capture = Capture(1000)
    for _ in range(100_000):
        capture.write(b"x")
    kept = capture.captured()
    assert (len(kept.head), len(kept.tail), kept.dropped_bytes) == (500, 500, 99_000)


def test_gap_is_counted_in_the_text() -> None:
    capture = Capture(4)
    capture.write(b"abcdefgh")
    assert capture.captured().text == "ab\n[... 4 bytes not kept ...]\ngh"


def frame(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(payload)) + payload


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)), max_size=20),
    st.integers(1, 30),
)
def test_frames_are_split_however_they_arrive(frames: list[tuple[int, bytes]], step: int) -> None:
    wire = b"".join(frame(stream, payload) for stream, payload in frames)
    demultiplexer = Demultiplexer()
    got = {1: b"", 2: b""}
    for start in range(0, len(wire), step):
        for stream, piece in demultiplexer.feed(wire[start : start + step]):
            got[stream] += piece
    for stream, whole in got.items():
        assert whole == b"".join(payload for number, payload in frames if number == stream)


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(FramingError):
        list(Demultiplexer().feed(b"HTTP/1.1 500 oops"))


def assert_harmless(text: str) -> None:
    for character in text:
        code = ord(character)
        assert character in "\n\t" or (code >= 0x20 and not 0x7F <= code <= 0x9F)
        assert unicodedata.category(character) not in {"Cf", "Cc", "Cs", "Zl", "Zp"} or (
            character in "\n\t"
        )


@given(st.binary(max_size=2000))
def test_any_bytes_become_harmless(data: bytes) -> None:
    assert_harmless(display_safe(data))


@given(st.text(max_size=500))
def test_any_text_becomes_harmless(text: str) -> None:
    assert_harmless(display_safe(text))


@given(
    st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), max_size=300).map(
        lambda text: text.replace("\\", "")
    )
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert display_safe(text) == text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07x", "x"),
        (b"\x1b]52;c;aGk=\x1b\\x", "x"),
        (b"\x1bPq#0\x1b\\x", "x"),
        (b"\x1b_app\x1b\\x\x1b^pm\x1b\\y\x1bXsos\x1b\\z", "xyz"),
        (b"\x1b[?1049h\x1b(Bx", "x"),
        ("\x9b31mx\x9d0;t\x9cy".encode(), "xy"),
        (b"50%\r100%\r\n", "50%100%\n"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("a\u202eb\u200bc\ufeff".encode(), "a\\u202eb\\u200bc\\ufeff"),
        (b"\x1b", ""),
        (b"\x1b]never ended\nnext", "\nnext"),
        (b"a\x00\x08b", "ab"),
    ],
)
def test_what_drives_a_terminal_is_taken_out(raw: bytes, shown: str) -> None:
    assert display_safe(raw) == shown


def test_long_lines_and_long_blocks_are_cut_and_counted() -> None:
    assert display_safe("x" * 5000) == "x" * 2000 + "[... 3000 characters cut ...]"
    block = display_safe("line\n" * 100_000)
    assert len(block) < 66_000
    assert "characters cut" in block
