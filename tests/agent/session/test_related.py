"""The red tests that a described fault is about, and those that only share a plain word with it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.session.related import related_red
from sandbox.box.status import VerdictTrust
from sandbox.verdict.report import (
    Frame,
    RunStatus,
    TestOutcome,
    TestReport,
    TestResult,
)

TESTS = """from scribe import Buffer, find_next


def test_redo():
    assert Buffer("a").text == "b"


def test_next():
    assert find_next(Buffer("a 250"), "a")


def test_green():
    assert True
"""
NAMES = frozenset({"find_all", "find_next", "text", "Buffer"})


def related(
    root: Path, request: str, frames: tuple[Frame, ...] = (), names: Collection[str] = NAMES
) -> list[str]:
    (root / "tests").mkdir(exist_ok=True)
    (root / "tests/test_it.py").write_text(TESTS)
    outcomes = {"redo": TestOutcome.FAILED, "next": TestOutcome.FAILED, "green": TestOutcome.PASSED}
    report = TestReport(
        status=RunStatus.COMPLETE,
        results=tuple(
            TestResult(
                id=f"tests/test_it.py::test_{name}",
                outcome=outcome,
                frames=frames if name == "redo" else (),
            )
            for name, outcome in outcomes.items()
        ),
        runner="pytest",
        trust=VerdictTrust.PINNED,
        duration_s=0.1,
    )
    words = frozenset(name for name in names if name in request)
    found = related_red(request, report, Sources(root, ["tests/test_it.py"]), words)
    return [result.id.rpartition("_")[2] for result in found]


@pytest.mark.parametrize(
    "request_",
    [
        "find_all(buf, 'Foo') comes back empty though there is foo all over the text. Please fix",
        "`find_all` does not find what stands in the text",
        "after a redo scribe.find_all loses the next text",
    ],
)
def test_a_name_written_as_code_leaves_no_say_to_plain_words(tmp_path: Path, request_: str) -> None:
    assert related(tmp_path, request_) == []


def test_the_red_test_that_has_the_name_is_meant(tmp_path: Path) -> None:
    assert related(tmp_path, "find_next(buf) does not find the text") == ["next"]


def test_a_test_that_is_called_after_the_function_is_meant(tmp_path: Path) -> None:
    assert related(tmp_path, "`redo` loses the text", names={"redo", "text"}) == ["redo"]


def test_a_function_that_failed_below_the_test_counts(tmp_path: Path) -> None:
    frame = Frame(file="scribe/find.py", line=3, function="find_all")
    assert related(tmp_path, "find_all() breaks", (frame,)) == ["redo"]


def test_a_value_counts_beside_a_name(tmp_path: Path) -> None:
    assert related(tmp_path, "`find_all` loses the 250") == ["next"]


def test_plain_words_count_where_nothing_is_written_as_code(tmp_path: Path) -> None:
    assert related(tmp_path, "the text is wrong after typing") == ["redo"]
    assert related(tmp_path, "redo does nothing") == ["redo"]
