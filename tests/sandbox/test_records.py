"""Records are read whatever surrounds them, and believed only as far as they can be."""

from __future__ import annotations

import json

from hypothesis import given, strategies as st

from sandbox.records import RecordReader, parse_result
from sandbox.report import Frame, TestOutcome, TestResult


def line(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def test_a_whole_run_is_read_in_any_pieces() -> None:
    told: list[TestResult] = []
    reader = RecordReader("n", "/box", told.append)
    wire = (
        line(kind="collected", ids=["a", "b"])
        + line(kind="start", id="a")
        + line(kind="result", id="a", outcome="passed", duration=0.5)
        + line(kind="start", id="b")
        + line(
            kind="result",
            id="b",
            outcome="failed",
            message="assert 0",
            exception="AssertionError",
            file="t.py",
            line=3,
            frames=[["t.py", 3, "test_b"]],
        )
        + line(kind="end", nonce="n", exit_code=1)
    )
    for start in range(0, len(wire), 7):
        reader.feed(wire[start : start + 7])
    assert [result.id for result in reader.results] == ["a", "b"]
    assert told == list(reader.results)
    assert reader.results[1].frames == (Frame(file="t.py", line=3, function="test_b"),)
    assert (list(reader.collected), reader.running, reader.end_code) == (["a", "b"], None, 1)


def test_an_end_with_another_nonce_is_not_the_end() -> None:
    reader = RecordReader("right", "/box")
    reader.feed(line(kind="end", nonce="wrong", exit_code=0) + line(kind="end", exit_code=0))
    assert reader.end_code is None


def test_a_test_that_never_ended_gets_a_result_with_its_stack() -> None:
    reader = RecordReader("n", "/box")
    reader.feed(
        line(kind="start", id="t.py::test_hang")
        + b"Timeout (0:00:10)!\n"
        + b"Thread 0x01 (most recent call first):\n"
        + b'  File "/usr/lib/python3.11/threading.py", line 1 in wait\n'
        + b"Thread 0x02 (most recent call first):\n"
        + b'  File "/box/pkg/slow.py", line 7 in spin\n'
        + b'  File "/box/t.py", line 3 in test_hang\n'
        + b'  File "/usr/lib/python3/dist-packages/_pytest/python.py", line 9 in call\n'
    )
    reader.add_unfinished("did not finish")
    (result,) = reader.results
    assert (result.outcome, result.file, result.line) == (TestOutcome.ERROR, "pkg/slow.py", 7)
    assert [frame.function for frame in result.frames] == ["test_hang", "spin"]


def test_paths_that_lead_out_of_the_project_are_dropped() -> None:
    record = {
        "id": "x",
        "outcome": "failed",
        "file": "../../etc/passwd",
        "frames": [["/etc/passwd", 1, "f"], ["ok.py", 2, "g"], ["a/../../b", 3, "h"], "junk", [1]],
    }
    result = parse_result(record)
    assert result is not None
    assert result.file == ""
    assert [frame.file for frame in result.frames] == ["ok.py"]


def test_endless_lines_and_texts_are_bounded() -> None:
    reader = RecordReader("n", "/box")
    for _ in range(100):
        reader.feed(b"x" * 100_000)
    reader.feed(b"\n" + line(kind="result", id="a", outcome="failed", detail="y" * 900_000))
    assert len(reader.results[0].detail) == 16_000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@given(
    st.lists(
        st.binary(max_size=60)
        | st.fixed_dictionaries(
            {"kind": st.sampled_from(["collected", "start", "result", "setup", "end"])},
            optional={
                "id": json_values,
                "ids": json_values,
                "outcome": st.just("failed") | json_values,
                "line": json_values,
                "duration": json_values,
                "frames": json_values,
                "file": json_values,
                "note": json_values,
                "exit_code": json_values,
            },
        ).map(lambda record: json.dumps(record).encode() + b"\n"),
        max_size=8,
    )
)
def test_no_stream_breaks_the_reader(pieces: list[bytes]) -> None:
    reader = RecordReader("nonce", "/box")
    for piece in pieces:
        reader.feed(piece)
    reader.add_unfinished("why")
    assert reader.end_code is None
    assert all(isinstance(result, TestResult) for result in reader.results)
