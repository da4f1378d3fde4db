"""Says how a repair ended; a part of the tests is never called all."""

from __future__ import annotations

from agent.events import FixFinished
from agent.fixing.verify import State
from sandbox.verdict.report import RunStatus, TestReport

ALL_GREEN = "all green"
_MOST_NAMED = 5


def finished(before: State, after: State, diff: str, reason: str) -> FixFinished:
    """Compare the best state with the first; `diff` is what was changed between them."""
    return FixFinished(
        passed_before=len(before.green),
        passed_after=len(after.green),
        red_before=tuple(item.id for item in before.red),
        red_after=tuple(item.id for item in after.red),
        diff=diff,
        reason=_whole_reason(reason, after.report),
        overruled=not after.red and after.report.overruled,
        left_out=tuple(refusal.path for refusal in after.report.left_out),
        lacking=after.report.lacking,
    )


def not_started(report: TestReport) -> FixFinished:
    """End a repair that could not begin, because the first run of the tests says too little."""
    red = tuple(item.id for item in report.red)
    passed = len(report.passed_ids)
    said = report.status.value.replace("_", " ")
    reason = "no tests" if report.status is RunStatus.NO_TESTS else f"tests not judged: {said}"
    return FixFinished(
        passed_before=passed,
        passed_after=passed,
        red_before=red,
        red_after=red,
        diff="",
        reason=_whole_reason(reason, report),
        left_out=tuple(refusal.path for refusal in report.left_out),
        lacking=report.lacking,
    )


def _whole_reason(reason: str, report: TestReport) -> str:
    """The reason for the end, with tests that nobody could judge: a part is never called all."""
    unjudged = [
        *(f"{item.path} did not run, {item.reason}" for item in report.left_out[:_MOST_NAMED]),
        *(f"the image lacks {name}" for name in report.lacking[:_MOST_NAMED]),
    ]
    if not unjudged:
        return reason
    said = "no red test that can be judged is left" if reason == ALL_GREEN else reason
    return f"{said}; not judged: {'; '.join(unjudged)}"
