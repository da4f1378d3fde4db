"""Lets the candidate and the system in use answer the same tasks greedily, in stages.

The stages are held-out tasks of what the candidate claims, those of what the incumbent claims where that
is something else, the regression suite and, for a winner, tasks that no decision has used. A stage that
cannot change the decision is skipped. Every answer is stored at
once, so an interrupted trial can be resumed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean
from typing import TypeVar

from agent.events import Progress, StageStarted
from agent.rounds.process import LearnerSwitch, resumed
from agent.rounds.trial.bench import REGRESSION, Bench
from agent.rounds.trial.claimed import ClaimedTasks
from agent.rounds.trial.ledger import TrialLedger, TrialPlan
from agent.streaming import Emit
from learning.evaluation.humaneval import Problem
from learning.evaluation.samples import Sample
from learning.evaluation.statistics import TaskScores, pair
from learning.promotion.claims import Claim
from learning.promotion.gate import (
    MAX_REGRESSION_LOSSES,
    MIN_CONFIRMING,
    MIN_HELD_OUT,
    NO_TRIAL,
    Gate,
    Trial,
    decide,
    lacking,
)
from learning.promotion.poison import poison_probes

_REGRESSION_TOKENS = 120
_LOOK_EVERY_S = 0.2
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResources:
    """Resources and limits of a trial."""

    bench: Bench
    ledger: TrialLedger
    emit: Emit
    budget_s: float
    """No further answer is asked for after this time."""
    regression: Sequence[Problem]
    tokens_per_s: float = 8.0
    """Guessed speed of replies, used until some were timed here."""
    switch: LearnerSwitch = field(default_factory=LearnerSwitch)
    """Pauses the trial: no answer is asked for meanwhile, and a running one is cancelled."""
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTasks:
    """Tasks of what the incumbent claims, which a candidate with another claim must not lose."""

    tasks: ClaimedTasks
    words: str

    @property
    def ids(self) -> Sequence[str]:
        """The tasks that are asked, the newest ones."""
        return self.tasks.eligible[-MIN_HELD_OUT:]


async def run_trial(
    plan: TrialPlan,
    tasks: ClaimedTasks,
    means: TrialResources,
    claim: Claim = Claim.REPAIRS,
    *,
    kept: KeptTasks | None = None,
) -> Trial:
    """The trial of `plan.adapter` for the gates; `tasks` holds the tasks that the plan names.

    `kept` are tasks of what the incumbent claims, where that is something else.

    Raises:
        SandboxError, ModelError, EvaluationError, WorkspaceError: If there is no answer.
    """
    return await _TrialRun(plan, tasks, means, claim, kept).run()


def expected_s(
    plan: TrialPlan,
    tasks: ClaimedTasks,
    means: TrialResources,
    kept: KeptTasks | None = None,
) -> float:
    """Estimate of the most seconds that the missing answers take."""
    bench, wanted = means.bench, (*plan.held_out, *plan.confirming)
    seconds = 0.0
    for system in (plan.incumbent, plan.adapter):
        seconds += tasks.expected_s(bench, system, wanted)
        seconds += kept.tasks.expected_s(bench, system, kept.ids) if kept is not None else 0.0
        general = bench.known(REGRESSION, system)
        missing = sum(problem.task_id not in general for problem in means.regression)
        timed = [sample.generation_s for sample in general.values()]
        seconds += missing * (fmean(timed) if timed else _REGRESSION_TOKENS / means.tokens_per_s)
    return seconds


class _TimeIsUpError(Exception):
    """The budget is used up between two answers."""


class _TrialRun:
    def __init__(
        self,
        plan: TrialPlan,
        tasks: ClaimedTasks,
        means: TrialResources,
        claim: Claim,
        kept: KeptTasks | None,
    ) -> None:
        self._kept = kept
        self._plan = plan
        self._claim = claim
        self._tasks = tasks
        self._means = means
        self._emit = means.emit
        self._end = means.clock() + means.budget_s
        self._done = 0

    async def run(self) -> Trial:
        """Run the stages that can change the decision, within the time limit."""
        if missing := lacking(len(self._plan.held_out)):
            # Answers to fewer tasks would decide nothing.
            return _undecided(self._claim.tasks, missing)
        trial = NO_TRIAL
        try:
            trial = await self._held_out()
            if self._kept is not None and _goes_on(trial):
                trial = replace(trial, kept=await self._still(self._kept), kept_on=self._kept.words)
            if _goes_on(trial):
                trial = replace(trial, regression=await self._regression())
            if _goes_on(trial) and len(self._plan.confirming) >= MIN_CONFIRMING:
                trial = replace(trial, confirming=await self._confirming())
        except _TimeIsUpError:
            words = (
                f"the time was used up after {self._done} answers; `elagent adapters try"
                f" {self._plan.adapter}` goes on"
            )
            return _undecided("time", words)
        return trial

    async def _held_out(self) -> Trial:
        """The stage of held-out tasks, with the poison probes on its replies."""
        scores = await self._claimed("held-out tasks", self._plan.held_out)
        replies = [
            [self._means.bench.known(self._tasks.suite, system)[id_].reply for id_ in scores.tasks]
            for system in (self._plan.incumbent, self._plan.adapter)
        ]
        return Trial(
            held_out=scores,
            tried_on=self._claim.tasks,
            probes=poison_probes(*replies),
            fresh=len(self._plan.confirming),
        )

    async def _still(self, kept: KeptTasks) -> TaskScores:
        """The stage of what the incumbent claims."""
        return await self._stage(kept.words, kept.ids, kept.tasks.ask)

    async def _confirming(self) -> TaskScores:
        self._means.ledger.look(self._plan)
        return await self._claimed("tasks never used before", self._plan.confirming)

    async def _claimed(self, name: str, ids: Sequence[str]) -> TaskScores:
        there = [id_ for id_ in ids if id_ in self._tasks.known]
        return await self._stage(name, there, self._tasks.ask)

    async def _regression(self) -> TaskScores:
        bench = self._means.bench
        problems = {problem.task_id: problem for problem in self._means.regression}

        def ask(system: str | None, id_: str) -> Awaitable[Sample]:
            return bench.try_general(system, problems[id_])

        return await self._stage("general tasks", list(problems), ask, losses=MAX_REGRESSION_LOSSES)

    async def _stage(
        self,
        name: str,
        ids: Sequence[str],
        ask: Callable[[str | None, str], Awaitable[Sample]],
        *,
        losses: int | None = None,
    ) -> TaskScores:
        """Both systems' scores; the stage ends early after more than `losses` losses."""
        self._emit(StageStarted(f"trying {self._plan.adapter} on {len(ids)} {name}"))
        started = self._means.clock()
        before: dict[str, float] = {}
        after: dict[str, float] = {}
        for number, id_ in enumerate(ids, 1):
            for system, scores in ((self._plan.incumbent, before), (self._plan.adapter, after)):
                if self._means.clock() > self._end:
                    raise _TimeIsUpError
                sample = await self._undisturbed(partial(ask, system, id_))
                scores[id_] = float(sample.passed)
                self._done += 1
            spent = self._means.clock() - started
            eta_s = spent / number * (len(ids) - number)
            self._emit(Progress(number, len(ids), "tasks", eta_s))
            if losses is not None and pair(before, after).losses > losses:
                break
        return pair(before, after)

    async def _undisturbed(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """The answer, asked for again if the switch was paused meanwhile."""
        switch = self._means.switch
        while True:
            await resumed(switch)
            work = asyncio.ensure_future(ask())
            try:
                while not work.done() and not switch.paused:
                    await asyncio.wait([work], timeout=_LOOK_EVERY_S)
                if work.done():
                    return work.result()
            finally:
                if not work.done():
                    work.cancel()
                    await asyncio.wait([work])


def _undecided(name: str, words: str) -> Trial:
    return replace(NO_TRIAL, probes=(Gate(name=name, outcome="open", words=words),))


def _goes_on(trial: Trial) -> bool:
    return decide(trial).kind != "rejected"
