"""Judges an edit by the tests, and words the outcome for the next attempt.

A pass counts if nothing broke that passed before and if it holds in a fresh box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.advice.failure import EnvironmentFact
from agent.events import StageStarted, TestsFinished
from agent.fixing.context import one_line
from agent.fixing.verify import (
    State,
    TestRunner,
    broken_tests,
    brought_to_light,
    next_state,
    passing_again,
    passing_alone,
    shown,
    solved_tests,
)
from agent.streaming import Emit
from agent.testing.failures import evidence_of
from learning.evidence.output import parse_output
from learning.records import Evidence, Trust, Verdict
from sandbox.verdict.report import RunStatus, TestReport, TestResult

_SLOW_SUITE_S = 20.0
"""A suite that takes longer is run only after the failing test alone has passed."""
_EVIDENCE_KEPT = 3
_UNJUDGED = {
    RunStatus.NO_TESTS: "no test is found any more",
    RunStatus.INCOMPLETE: "the test process ended before all tests had run",
    RunStatus.TIMEOUT: "the tests ran into their time limit",
    RunStatus.OOM: "the tests ran out of memory",
    RunStatus.OUTPUT_LIMIT: "the tests printed more than is kept",
    RunStatus.CRASH_SIGNAL: "the test process crashed",
    RunStatus.TAMPERED: "something interfered with the verdict of the tests",
    RunStatus.SETUP_FAILED: "the project could not be set up for its tests",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The tests' judgement of an edit; the verdict is UNKNOWN if they could not run."""

    verdict: Verdict
    reason: str
    state: State | None = None
    """The new best state, after a pass."""
    unproven: bool = False
    """Kept as progress, but not a pass to learn from: see `brought_to_light`."""
    solved: tuple[str, ...] = ()
    failing: tuple[TestResult, ...] = ()
    trust: Trust = Trust.PLAIN
    """Trust in the run that decided: how hard its result is to forge."""


async def judge(runner: TestRunner, emit: Emit, state: State, target: str) -> Judgement:
    """Run the tests on the files as they are, and compare with `state`.

    Raises:
        SandboxError: If the sandbox gives no answer.
    """
    seen_before = frozenset[str]()
    if state.report.duration_s > _SLOW_SUITE_S and len(state.report.results) > 1:
        emit(StageStarted(f"running {target}"))
        watch = shown(emit)
        alone = await runner.run(
            only=(target,), on_output=watch.on_output, on_result=watch.on_result
        )
        if problem := _unjudged(alone, f"{target} alone ran before"):
            return problem
        if not solved_tests(state, alone):
            return _still_failing(alone, target)
        seen_before = alone.passed_ids
    emit(StageStarted("running all tests"))
    watch = shown(emit)
    report = await runner.run(on_output=watch.on_output, on_result=watch.on_result)
    if problem := _unjudged(report, f"{len(state.report.results)} ran before"):
        return problem
    broken = broken_tests(state, report)
    flaky = await passing_alone(runner, broken) if broken else frozenset[str]()
    emit(TestsFinished(report, tuple(sorted(state.flaky | flaky))))
    judgement = _compared(state, report, target, broken=set(broken) - flaky, flaky=flaky)
    return await _looked_at_again(runner, emit, judgement, seen_before)


def note_after(judgement: Judgement, target: str) -> str:
    """The failure that remains after an edit that was put back, for the next attempt."""
    if not judgement.failing:
        return f"An earlier correction was not kept: {judgement.reason}."
    first = judgement.failing[0]
    line = one_line(evidence_of(first), first.message)
    if first.id == target:
        return f"An earlier correction did not work. With it this test still failed: {line}"
    return f"An earlier correction broke another test, {first.id}: {line}"


def evidence_after(
    judgement: Judgement, facts: Sequence[EnvironmentFact] = ()
) -> tuple[Evidence, ...]:
    """Evidence against an edit: the failing tests, and the environment's facts on their failure."""
    said = [evidence_of(result) for result in judgement.failing[:_EVIDENCE_KEPT]]
    return (*said, *(fact.as_evidence() for fact in facts if said))


def outcome_of(judgement: Judgement) -> str:
    """Key that is equal for two edits with the same test outcome."""
    failing = (f"{result.id} {result.message}" for result in judgement.failing)
    return "\n".join([judgement.verdict.value, *failing])


async def _looked_at_again(
    runner: TestRunner, emit: Emit, judgement: Judgement, seen_before: frozenset[str]
) -> Judgement:
    """A pass stands only if it holds in a fresh box: by luck alone, nothing is learned."""
    if judgement.verdict is not Verdict.PASS or seen_before.issuperset(judgement.solved):
        return judgement
    emit(StageStarted("running the repaired tests once more"))
    held = await passing_again(runner, judgement.solved)
    if held is None or judgement.state is None:
        return judgement
    if held:
        flaky = judgement.state.flaky.union(judgement.solved).difference(held)
        return replace(judgement, solved=held, state=replace(judgement.state, flaky=flaky))
    listed = ", ".join(judgement.solved[:_EVIDENCE_KEPT])
    return Judgement(
        verdict=Verdict.UNKNOWN, reason=f"{listed} passed once and failed when it was run again"
    )


def _compared(
    state: State, report: TestReport, target: str, *, broken: set[str], flaky: frozenset[str]
) -> Judgement:
    if broken:
        failing = tuple(item for item in report.red if item.id in broken)
        listed = ", ".join(sorted(broken)[:_EVIDENCE_KEPT])
        return Judgement(
            verdict=Verdict.FAIL,
            reason=f"it broke what passed before: {listed}",
            failing=failing,
            trust=Trust(report.trust.value),
        )
    solved = solved_tests(state, report)
    if not solved:
        return _still_failing(report, target)
    return Judgement(
        verdict=Verdict.PASS,
        reason=f"now passing: {', '.join(solved[:_EVIDENCE_KEPT])}",
        state=next_state(state, report, flaky=flaky),
        unproven=bool(brought_to_light(state, report)),
        solved=solved,
        trust=Trust(report.trust.value),
    )


def _unjudged(report: TestReport, before: str) -> Judgement | None:
    """UNKNOWN, with the reason why a run proves nothing of an edit; `before` ran without it."""
    if report.status is RunStatus.COMPLETE:
        return None
    reason = f"with the edit, {_UNJUDGED[report.status]}"
    if report.status is RunStatus.NO_TESTS:
        reason += f", while {before}"
    if facts := parse_output(report.output, subject=""):
        reason += f" ({one_line(facts[-1], facts[-1].message)})"
    elif report.notes and report.status is RunStatus.TAMPERED:
        reason += f" ({report.notes[0]})"
    return Judgement(verdict=Verdict.UNKNOWN, reason=reason)


def _still_failing(report: TestReport, target: str) -> Judgement:
    failing = sorted(report.red, key=lambda item: item.id != target)
    return Judgement(
        verdict=Verdict.FAIL,
        reason=f"{target} still fails",
        failing=tuple(failing[:1]),
        trust=Trust(report.trust.value),
    )
