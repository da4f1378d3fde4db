"""A package for want of which tests are skipped is named, with the place that declares it."""

from __future__ import annotations

import pytest

from sandbox.box.contract import SourceFile
from sandbox.box.status import VerdictTrust
from sandbox.verdict.missing import missing_packages
from sandbox.verdict.report import RunStatus, TestOutcome, TestReport, TestResult

FILES = [
    SourceFile(path="a/pyproject.toml", content=b'[project]\nname = "a"\n# wide-char\n'),
    SourceFile(path="a/requirements-dev.txt", content=b"pytest\nWide-Char>=2\nwide\n"),
    SourceFile(path="b/requirements.txt", content=b"pandas\n"),
]


def report(message: str, outcome: TestOutcome, times: int = 1) -> TestReport:
    results = tuple(TestResult(id=f"t{n}", outcome=outcome, message=message) for n in range(times))
    return TestReport(
        status=RunStatus.COMPLETE,
        results=results,
        runner="pytest",
        trust=VerdictTrust.PINNED,
        duration_s=1.0,
    )


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "Skipped: could not import 'wide_char': No module named 'wide_char'",
            "2 tests were skipped since wide_char is not in the sandbox; "
            "a/requirements-dev.txt:2 names it: declare it for the tests, too.",
        ),
        (
            "could not import 'pandas.testing': No module named 'pandas'",
            "2 tests were skipped since pandas is not in the sandbox; no declaration of the "
            "project names it: add it to what the tests need.",
        ),
    ],
)
def test_a_skip_for_want_of_a_package_names_it(message: str, said: str) -> None:
    skipped = report(message, TestOutcome.SKIPPED, times=2)
    assert missing_packages(skipped, FILES, folder="a") == (said,)


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("Skipped: only on Windows", TestOutcome.SKIPPED),
        ("No module named 'pandas'", TestOutcome.ERROR),
    ],
)
def test_other_skips_and_failures_are_not_remarked_on(message: str, outcome: TestOutcome) -> None:
    assert missing_packages(report(message, outcome), FILES) == ()
