"""Finds the tests of a run that a request is about: by their names, by words, or by values that it quotes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from agent.fixing.sources import Sources
from agent.fixing.targets import locate_test
from agent.words import stems_of
from sandbox.verdict.report import RunStatus, TestReport, TestResult

_WORD = re.compile(r"[^\W\d]\w*")
_VALUE = re.compile(r"(?<![\w.])(?=\S*\d)[\w.,:/%+-]{2,}\w(?!\w)")
"""A value that a request quotes: it has a digit, and more than two characters."""


def related_red(
    request: str, report: TestReport, sources: Sources, names: Collection[str]
) -> list[TestResult]:
    """The red tests that have to do with a request; `names` are those of the project that it holds.

    A name counts first, then a value that stands in the test, then a word of the test's own name. Where the
    request writes names as code, `find_all(...)`, plain words that are names as well, `text`, say nothing.
    """
    as_code = [name for name in names if _is_written_as_code(name, request)]
    by_name = [r for r in report.red if _has_to_do_with(r, as_code or names, sources)]
    if by_name:
        return by_name
    values = _VALUE.findall(request)
    by_value = [
        result
        for result in report.red
        if any(value in locate_test(result, sources).source for value in values)
    ]
    return by_value or ([] if as_code else _red_in_words(request, report))


def _is_written_as_code(name: str, request: str) -> bool:
    around = rf"`{re.escape(name)}\b|\b{re.escape(name)}\(|\w\.{re.escape(name)}\b"
    return "_" in name.strip("_") or re.search(around, request) is not None


def _has_to_do_with(result: TestResult, names: Collection[str], sources: Sources) -> bool:
    """True if a test ran one of these functions when it failed, or its source or its own name has the name."""
    if not {frame.function for frame in result.frames}.isdisjoint(names):
        return True
    words = set(_WORD.findall(locate_test(result, sources).source))
    in_its_name = f"_{_plain(result.id).rpartition('.')[2].lower()}_"
    return not words.isdisjoint(names) or any(f"_{name.lower()}_" in in_its_name for name in names)


def those(report: TestReport, wanted: Sequence[str]) -> list[TestResult]:
    """The red results of these tests, whatever their parameters; of all, if none are named."""
    if not wanted:
        return list(report.red)
    asked = [f".{_plain(test)}." for test in wanted]
    return [r for r in report.red if any(f".{_plain(r.id)}." in test for test in asked)]


def _red_in_words(request: str, report: TestReport) -> list[TestResult]:
    """The red tests whose names share a word with a request, one that most tests do not have in theirs."""
    said = stems_of(request)
    names = {result.id: stems_of(_plain(result.id).rpartition(".")[2]) for result in report.results}
    often = {
        word
        for word, count in Counter(word for stems in names.values() for word in stems).items()
        if 2 * count > len(names)
    }
    return [result for result in report.red if (said & names[result.id]) - often]


def all_passed(report: TestReport, wanted: Sequence[str]) -> bool:
    """True if a whole run saw each of these tests pass; its ids may lack the project's folder."""
    passed = {_plain(test) for test in report.passed_ids}
    asked = {_plain(test) for test in wanted}
    return report.status is RunStatus.COMPLETE and all(
        test in passed or any(test.endswith(f".{name}") for name in passed - asked)
        for test in asked
    )


def _plain(test_id: str) -> str:
    """The dotted name of a test, or of a file that could not be loaded, whatever its runner."""
    path, _, name = test_id.partition("[")[0].partition("::")
    dotted = f"{path.removesuffix('.py')}.{name}".replace("::", ".").replace("/", ".").strip(".")
    return dotted.removeprefix("unittest.loader._FailedTest.")
