"""Compares the tests before and after a turn, and says in one line what the turn came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.verdict.report import RunStatus, TestReport

_NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """The changed files of a turn, and the tests before and after it."""

    changed: Sequence[str]
    before: TestReport | None
    """The tests before the turn; None if they did not run."""
    after: TestReport | None
    seconds: float
    in_part: bool = False
    """True if only the tests that reach the change ran after it."""

    @property
    def line(self) -> str:
        """The one line that ends a turn: the files, the tests before and after, the time, `/undo`."""
        parts = [f"Changed {', '.join(self.changed)}", self._tests, f"{self.seconds:.0f} s"]
        return f"{'; '.join(parts)}; /undo takes it back."

    @property
    def _tests(self) -> str:
        if self.after is None:
            return "the tests were not run"
        if self.before is None:
            return f"tests now: {counts(self.after)}"
        if self.in_part:
            ran, known = len(self.after.results), len(self.before.results)
            passed = self.after.all_green and self.after.counts["passed"] == ran
            said = "all pass" if passed else counts(self.after)
            before = f"tests before: {counts(self.before)}; "
            return f"{before}{ran} of {known} tests reach the change: {said}; /test runs all"
        return f"tests before: {counts(self.before)}, now: {counts(self.after)}"


def counts(report: TestReport) -> str:
    """The counts of a run in two or three words, such as `1 failed, 3 passed`."""
    numbers = report.counts
    named = {"failed": "failed", "error": "errors", "passed": "passed"}
    said = [f"{numbers[name]} {word}" for name, word in named.items() if numbers[name]]
    if report.status not in (RunStatus.COMPLETE, RunStatus.NO_TESTS):
        return "no complete run"
    return ", ".join(said) or "none"


def newly_red(before: TestReport | None, after: TestReport) -> tuple[str, ...]:
    """The tests that are red now and were not before, new ones included.

    A run that does not come to its end after one that did makes every test that passed red.
    """
    if before is None:
        return ()
    if after.status is not RunStatus.COMPLETE:
        return tuple(sorted(before.passed_ids)) if before.status is RunStatus.COMPLETE else ()
    was_red = {result.id for result in before.red}
    return tuple(result.id for result in after.red if result.id not in was_red)


def named(ids: Sequence[str]) -> str:
    """The first few names of tests, and how many more there are."""
    rest = len(ids) - _NAMES_SHOWN
    return ", ".join(ids[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
