"""Records are read whatever surrounds them, and believed only as far as they can be."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from sandbox.verdict.records import RecordReader, parse_result
from sandbox.verdict.report import Frame, TestOutcome, TestResult
from tests.fakes.wire import Wire


def test_a_whole_run_is_read_in_any_pieces() -> None:
    told: list[TestResult] = []
    line = Wire()
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
        + line(kind="end", exit_code=1)
    )
    for start in range(0, len(wire), 7):
        reader.feed(wire[start : start + 7])
    assert [result.id for result in reader.results] == ["a", "b"]
    assert told == list(reader.results)
    assert reader.results[1].frames == (Frame(file="t.py", line=3, function="test_b"),)
    assert (list(reader.collected), reader.running, reader.end_code) == (["a", "b"], None, 1)


def test_only_the_holder_of_the_key_can_end_a_run() -> None:
    reader = RecordReader("right", "/box")
    reader.feed(Wire("wrong")(kind="end", exit_code=0) + b'{"kind": "end", "exit_code": 0}\n')
    assert (reader.end_code, reader.forged) == (None, 2)


def test_a_record_that_comes_again_is_not_believed_again() -> None:
    line = Wire()
    failed = line(kind="result", id="a", outcome="failed")
    passed = line(kind="result", id="a", outcome="passed")
    reader = RecordReader("n", "/box")
    reader.feed(failed + passed + failed)
    assert (reader.results[0].outcome, reader.forged) == (TestOutcome.FAILED, 1)
    assert reader.told_twice == {"a"}


def test_records_that_are_missing_are_counted() -> None:
    line = Wire()
    line(kind="result", id="a", outcome="failed")
    reader = RecordReader("n", "/box")
    reader.feed(line(kind="end", exit_code=0))
    assert (reader.lost, reader.forged) == (1, 0)


def test_junk_in_front_of_a_record_does_not_hide_it() -> None:
    reader = RecordReader("n", "/box")
    reader.feed(b"junk without an end of line" + Wire()(kind="end", exit_code=0))
    assert reader.end_code == 0


def test_canaries_are_no_results() -> None:
    line = Wire()
    reader = RecordReader("n", "/box", canaries={"c"})
    reader.feed(line(kind="collected", ids=["a", "c"]) + line(kind="start", id="c"))
    reader.add_unfinished("cut off")
    reader.feed(line(kind="result", id="c", outcome="failed"))
    assert (list(reader.collected), reader.results) == (["a"], ())
    assert reader.canary_outcomes == {"c": TestOutcome.FAILED}


@pytest.mark.parametrize(
    ("exception", "message", "detail", "outcome"),
    [
        ("gaierror", "gaierror: [Errno -3] Temporary failure in name resolution", "", "needs"),
        ("OSError", "OSError: [Errno 101] Network is unreachable", "", "needs"),
        ("ConnectionError", "HTTPSConnectionPool(host='pypi.org', port=443): Max retries exceeded"
         " (Caused by NewConnectionError: [Errno 111] Connection refused)", "", "needs"),
        ("OperationalError", "psycopg2.OperationalError: connection to server failed: Connection"
         " refused", "", "needs"),
        ("Offline", "no cache", "E   socket.gaierror: [Errno -2] Name or service not known", "needs"),
        ("ConnectionRefusedError", "[Errno 111] Connection refused", "", "failed"),
        ("AssertionError", "assert 'gaierror' == 'ok'", "", "failed"),
        ("Failed", "DID NOT RAISE <class 'socket.gaierror'>", "", "failed"),
        ("ValueError", "bad", ">   raise OSError('network is unreachable')", "failed"),
    ],
)  # fmt: skip
def test_what_wanted_the_network_is_told_from_what_failed(
    exception: str, message: str, detail: str, outcome: str
) -> None:
    reader = RecordReader("n", "/box")
    fields = {"exception": exception, "message": message, "detail": detail}
    reader.feed(Wire()(kind="result", id="a", outcome="failed", **fields))
    (result,) = reader.results
    assert result.outcome.value.startswith(outcome)
    assert result.outcome.is_red is (outcome == "failed")


def test_a_test_that_never_ended_gets_a_result_with_its_stack() -> None:
    line = Wire()
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
    reader.feed(b"\n" + Wire()(kind="result", id="a", outcome="failed", detail="y" * 900_000))
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
        ),
        max_size=8,
    ),
    st.sampled_from(["key", "another"]),
)
def test_no_stream_breaks_the_reader(pieces: list[bytes | dict[str, object]], key: str) -> None:
    reader, line = RecordReader("key", "/box"), Wire(key)
    for piece in pieces:
        reader.feed(piece if isinstance(piece, bytes) else line(**piece))
    reader.add_unfinished("why")
    if key == "another":
        assert (reader.results, reader.end_code) == ((), None)
        assert reader.forged == sum(isinstance(piece, dict) for piece in pieces)
    assert all(isinstance(result, TestResult) for result in reader.results)
