"""Test runs that a test makes up; no code of any project is run here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sandbox.box.status import VerdictTrust
from sandbox.verdict.report import Frame, RunStatus, TestOutcome, TestReport, TestResult

Judge = Callable[[Sequence[str]], TestReport | Exception | None]


def passed(test_id: str) -> TestResult:
    return TestResult(id=test_id, outcome=TestOutcome.PASSED)


def failed(
    test_id: str,
    message: str = "assert 1 == 2",
    *,
    exception: str = "AssertionError",
    frames: Sequence[tuple[str, int, str]] = (),
    outcome: TestOutcome = TestOutcome.FAILED,
) -> TestResult:
    places = tuple(Frame(file=f, line=n, function=name) for f, n, name in frames)
    return TestResult(
        id=test_id,
        outcome=outcome,
        message=message,
        exception=exception,
        file=places[-1].file if places else "",
        line=places[-1].line if places else 0,
        frames=places,
    )


def report(
    *results: TestResult, status: RunStatus = RunStatus.COMPLETE, duration_s: float = 0.1
) -> TestReport:
    return TestReport(
        status=status,
        results=results,
        runner="pytest",
        trust=VerdictTrust.PINNED,
        duration_s=duration_s,
    )


def only_of(full: TestReport, only: Sequence[str]) -> TestReport:
    """The part of a whole run that a run of some tests would have been."""
    kept = tuple(
        item
        for item in full.results
        if not only or item.id in only or item.id.partition("::")[0] in only
    )
    return report(*kept, status=full.status, duration_s=full.duration_s)


@dataclass(kw_only=True)
class FakeTestRunner:
    """Asks a function for each report; `None` stands for a run that never ends."""

    judge: Judge
    calls: list[tuple[str, ...]] = field(default_factory=list)

    async def run(
        self,
        *,
        only: Sequence[str] = (),
        on_output: Callable[[bytes], None] | None = None,
        on_result: Callable[[TestResult], None] | None = None,
    ) -> TestReport:
        self.calls.append(tuple(only))
        await asyncio.sleep(0)
        answer = self.judge(only)
        if answer is None:
            await asyncio.Event().wait()
            raise AssertionError
        if isinstance(answer, Exception):
            raise answer
        for result in answer.results:
            if on_result is not None:
                on_result(result)
        return answer


def script(*reports: TestReport | Exception | None) -> Judge:
    """Give these answers in order, whatever is asked."""
    remaining = list(reports)
    return lambda _: remaining.pop(0)
