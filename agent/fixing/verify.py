"""Runs tests through the sandbox and compares two runs; decides nothing about edits.

A test that fails in one of two runs of the same code is flaky: it is labelled, and counts neither
for nor against an edit.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.events import OutputChunk, TestFinished
from agent.streaming import Emit
from sandbox.verdict.report import RunStatus, TestReport, TestResult


class TestRunner(Protocol):
    """Runs the project's tests in the sandbox, on the files as they are now."""

    async def run(
        self,
        *,
        only: Sequence[str] = (),
        on_output: Callable[[bytes], None] | None = None,
        on_result: Callable[[TestResult], None] | None = None,
    ) -> TestReport:
        """Run all tests, or only those with these ids.

        Raises:
            SandboxError: If no answer can be given.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The tests' results in the best state so far."""

    report: TestReport
    """The last run of the whole suite in that state."""
    green: frozenset[str]
    """Tests that pass, those included that failed once and are flaky."""
    flaky: frozenset[str] = frozenset()
    red: tuple[TestResult, ...] = field(default=())
    """Tests that fail every time, in the order they ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRun:
    """Takes the output and the results of a run, and shows them while they come."""

    on_output: Callable[[bytes], None]
    on_result: Callable[[TestResult], None]


def shown(emit: Emit) -> ShownRun:
    """Show one run of the tests as events."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def show_output(chunk: bytes) -> None:
        emit(OutputChunk(decoder.decode(chunk)))

    def show_result(result: TestResult) -> None:
        emit(TestFinished(result))

    return ShownRun(on_output=show_output, on_result=show_result)


async def passing_alone(runner: TestRunner, ids: Sequence[str]) -> frozenset[str]:
    """Red tests that pass when they are run once more, by themselves."""
    report = await runner.run(only=ids)
    if report.status is not RunStatus.COMPLETE:
        return frozenset()
    return frozenset(ids) & report.passed_ids


async def passing_again(runner: TestRunner, ids: Sequence[str]) -> tuple[str, ...] | None:
    """Solved tests that pass in a fresh box, too; None if it cannot tell.

    An id that is a file or a module, not a test, cannot be run by itself: it counts as it did.
    """
    tests = [item for item in ids if "::" in item]
    if not tests:
        return None
    report = await runner.run(only=tests)
    if report.status is not RunStatus.COMPLETE:
        return None
    return tuple(item for item in ids if "::" not in item or item in report.passed_ids)


async def first_state(runner: TestRunner, report: TestReport) -> State:
    """The state that a complete run shows, its red tests run once more but for endless ones."""
    red = report.red
    again = [item.id for item in red if not _is_endless(item, red)]
    flaky = await passing_alone(runner, again) if again else frozenset[str]()
    return State(
        report=report,
        green=report.passed_ids | flaky,
        flaky=flaky,
        red=tuple(item for item in red if item.id not in flaky),
    )


def solved_tests(state: State, report: TestReport) -> tuple[str, ...]:
    """Red tests of a state that pass in a new run."""
    return tuple(item.id for item in state.red if _passes(item.id, report, state.green))


def broken_tests(state: State, report: TestReport) -> tuple[str, ...]:
    """Tests that passed and do not any more: red, skipped or gone; flaky ones do not count."""
    return tuple(sorted(state.green - report.passed_ids - state.flaky))


def brought_to_light(state: State, report: TestReport) -> tuple[str, ...]:
    """Red tests that nobody had seen: as a rule of a file that could not be loaded before.

    An edit that only lets them run is progress, and nothing says that it is right.
    """
    seen = {item.id for item in state.report.results}
    return tuple(item.id for item in report.red if item.id not in seen)


def next_state(state: State, report: TestReport, *, flaky: Collection[str]) -> State:
    """The state after an edit that is kept."""
    all_flaky = state.flaky | frozenset(flaky)
    return State(
        report=report,
        green=report.passed_ids | (state.green & all_flaky),
        flaky=all_flaky,
        red=tuple(item for item in report.red if item.id not in all_flaky),
    )


def _passes(test_id: str, report: TestReport, green_before: Collection[str]) -> bool:
    """True if a red test passes now.

    A file or module that could not be loaded has an id of its own; it counts as solved when that
    id is not red any more and tests of it pass that nobody had seen. A class of unittest whose
    tear-down failed is solved when its tests pass and it does not.
    """
    if test_id in report.passed_ids:
        return True
    if "::" in test_id or any(item.id == test_id for item in report.results):
        return False
    appeared = report.passed_ids - frozenset(green_before)
    if test_id.endswith(".py"):
        return any(item.startswith(f"{test_id}::") for item in appeared)
    return bool(appeared) or any(item.startswith(f"{test_id}.") for item in report.passed_ids)


def _is_endless(result: TestResult, red: Sequence[TestResult]) -> bool:
    """True if a test had all its time, or was ended where another one was that had it."""
    if not result.was_ended or not result.had_less_time:
        return result.was_ended
    return any(
        other.was_ended and not other.had_less_time and _function(other) == _function(result)
        for other in red
    )


def _function(result: TestResult) -> tuple[str, str]:
    """File and name of the function in which a test was ended."""
    frame = result.frames[-1] if result.frames else None
    return (frame.file, frame.function) if frame is not None else ("", result.id)
