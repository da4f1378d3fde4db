"""Gathers advice on a failure: facts of the environment and lessons of earlier repairs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent.advice.environment import Environment
from agent.advice.existing import ExistingNames
from agent.advice.failure import (
    EnvironmentFact,
    FailureContext,
    failure_of_command,
    failure_of_test,
)
from agent.advice.lessons import Hints, RepairLesson, hints_for
from agent.fixing.sources import Sources
from learning.experience.store import StoreError
from sandbox.box.contract import Execution
from sandbox.verdict.report import TestReport, TestResult

_MOST_TESTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Facts and hints for the model about one failure."""

    facts: tuple[EnvironmentFact, ...] = ()
    hints: Hints = field(default_factory=Hints)

    @property
    def used(self) -> str:
        """One sentence on the hints, for the person; empty without any."""
        if not self.hints.ids:
            return ""
        many = "s" if len(self.hints.ids) > 1 else ""
        return f"used {len(self.hints.ids)} hint{many} from {', '.join(self.hints.ids)}"


class Advisor:
    """Gathers facts and hints; without an environment or lessons that part stays empty."""

    def __init__(
        self,
        *,
        environment: Environment | None = None,
        lessons: Callable[[], Sequence[RepairLesson]] = tuple,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._environment = environment
        self._lessons = lessons
        self._say = say

    async def for_test(self, result: TestResult, sources: Sources) -> Advice:
        """Advice on a red test."""
        return await self._about(failure_of_test(result, sources))

    async def names(self, failure: FailureContext) -> ExistingNames:
        """The names that exist where a failure says that one does not; none without an environment."""
        if self._environment is None:
            return ExistingNames()
        return await self._environment.names(failure)

    async def explain(self, failed: Execution | TestReport, sources: Sources) -> Sequence[str]:
        """Texts for the model after a failed command or test run; the person is told of used hints."""
        texts: list[str] = []
        for failure in _failures(failed, sources):
            advice = await self._about(failure)
            if advice.used:
                self._say(advice.used)
            texts += [fact.text for fact in advice.facts]
            texts += [advice.hints.text] if advice.hints.text else []
        return list(dict.fromkeys(texts))

    async def _about(self, failure: FailureContext) -> Advice:
        facts = await self._environment.facts(failure) if self._environment is not None else ()
        return Advice(facts=facts, hints=await self._hints(failure))

    async def _hints(self, failure: FailureContext) -> Hints:
        """Hints from lessons; a store that cannot be read costs the hints, never the job."""
        if not (failure.exception or failure.message):
            return Hints()
        try:
            lessons = await asyncio.to_thread(self._lessons)
        except StoreError as err:
            self._say(f"no hints: {err}")
            return Hints()
        return hints_for([(failure.exception, failure.message)], lessons)


def _failures(failed: Execution | TestReport, sources: Sources) -> list[FailureContext]:
    if isinstance(failed, TestReport):
        return [failure_of_test(result, sources) for result in failed.red[:_MOST_TESTS]]
    failure = failure_of_command(failed, sources)
    return [failure] if failure is not None else []
