"""The recorded session of the documents: what its picture shows, and that the real app can be recorded."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.animated_svg import animated, frames
from benchmarks.recording import recorded, scripted
from benchmarks.terminal_cast import Cast

HOME = "\x1b[H\x1b[2J"


def cast(*events: tuple[float, str]) -> Cast:
    return Cast(columns=40, rows=4, title="a <test>", events=events)


def drawn(svg: str) -> str:
    """The texts of a picture, in order."""
    root = ET.fromstring(svg)  # noqa: S314 - our own text
    return " ".join(
        "".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")
    )


def test_a_cast_comes_back_from_its_file(tmp_path: Path) -> None:
    told = cast((0.0, "one\r\n"), (1.5, "\x1b[31mzwei\x1b[0m ✓"))
    told.write(tmp_path / "c.cast")
    read = Cast.read(tmp_path / "c.cast")
    assert (read.columns, read.rows, list(read.events)) == (40, 4, list(told.events))


def test_a_wait_is_shortened_and_says_how_long_it_was() -> None:
    ticks = [(10.0 + n, f"{HOME}working {n} s") for n in range(60)]
    told = cast((0.0, f"{HOME}begin"), (1.0, f"{HOME}asked"), *ticks, (70.0, f"{HOME}done"))
    shown = frames(told, step_s=0.2)
    assert [frame.shown_s for frame in shown[:3]] == [1.0, 2.0, 2.0]
    assert [round(frame.waited_s) for frame in shown[:3]] == [0, 9, 60]
    said = drawn(animated(told, caption="took 1:10"))
    assert "» waited 1:00" in said
    assert "took 1:10" in said


def test_output_in_bursts_is_one_frame_and_lines_that_stay_are_drawn_once() -> None:
    letters = [(n / 100, letter) for n, letter in enumerate("all in one moment\r\n")]
    told = cast((0.0, HOME), *letters, (1.0, "a second line\r\n"), (2.0, "a third one"))
    assert len(frames(told, step_s=0.3)) == 3
    svg = animated(told, caption="")
    assert svg.count("all in one moment") == 1
    assert svg.count('href="#l0"') == 3


def test_colours_weights_and_what_xml_reserves_are_kept() -> None:
    told = cast((0.0, f"{HOME}\x1b[1;38;2;1;2;3;48;2;4;5;6ma < b & c\x1b[0m \x1b[7mback\x1b[0m"))
    svg = animated(told, caption="x < y")
    assert "a &lt; b &amp; c" in svg
    assert 'class="b"' in svg
    assert 'fill="#010203"' in svg
    assert 'fill="#040506"' in svg
    assert "a < b & c" in drawn(svg)


def test_the_picture_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    svg = animated(cast((0.0, f"{HOME}text")), caption="")
    assert not re.search(r"<script|<image|<foreignObject|@import|url\(", svg)
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]


def test_a_long_session_gets_fewer_frames_and_never_a_larger_file() -> None:
    events = [
        (n * 0.25, f"{HOME}{'abcdefghij'[n % 10] * 30} {chr(97 + n // 10 % 26)}")
        for n in range(400)
    ]
    full = animated(cast(*events), caption="")
    size = len(full.encode()) * 2 // 3
    assert len(animated(cast(*events), caption="", most_bytes=size).encode()) <= size
    with pytest.raises(ValueError, match="takes more than 900 bytes"):
        animated(cast(*events), caption="", most_bytes=900)


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.usefixtures("sandbox_image")
def test_the_real_app_is_recorded_repairing_a_test_and_taking_it_back(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ELAGENT_SANDBOX_IMAGE": "lite",
               "ELAGENT_HOME": str(tmp_path / "home"),
               "XDG_CONFIG_HOME": str(tmp_path / "config"), "ELAGENT_FIX_SEARCH_S": "600",
               "ELAGENT_FIX_REWRITE_S": "600"}  # fmt: skip
    with scripted() as arguments:
        told = recorded(arguments, environ=environ, title="a session")
    svg = animated(told, caption="scripted replies")
    said = drawn(svg)
    for text in (
        "ZeroDivisionError",
        "still fails",
        "/fix",
        "if not orders",
        "no test is red",
        "undo:",
    ):
        assert text in said
    assert len(svg.encode()) <= 300_000
