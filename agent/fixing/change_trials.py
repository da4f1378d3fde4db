"""Tries small changes in the tester, and remembers what passed and what was tried before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.candidates.candidate import CandidateChange
from agent.candidates.choosing import best_first, special_case
from agent.events import ChangesTried, Notice
from agent.fixing.sources import Sources
from agent.fixing.tester import ChangeTester
from agent.streaming import Emit
from sandbox.search.values import ChangeTrial, UsualRun
from sandbox.verdict.report import TestResult


@dataclass(slots=True, kw_only=True)
class ChangeTrials:
    """The changes that one search tries on its red tests."""

    red: Sequence[TestResult]
    known_red: Sequence[TestResult]
    beside: Sequence[str]
    """Ids of red tests that may have the same fault."""
    sources: Sources
    tester: ChangeTester
    emit: Emit
    usual: UsualRun | None = None
    """The run of the unchanged tests, once there was one."""
    passing: list[CandidateChange] = field(default_factory=list)
    left: dict[CandidateChange, int] = field(default_factory=dict)
    """Number of red tests beside that a passing change leaves red."""
    judged: set[int] = field(default_factory=set)
    """Hashes of those that were not only sent, but came to their turn."""
    tokens: int = 0
    """Tokens of the model for what was tried."""
    _texts: set[tuple[str, str]] = field(default_factory=set)
    _count: int = 0
    _message: str = ""
    """The failure of the first of those that were tried last."""

    @property
    def solved(self) -> bool:
        """True if a change passes and leaves nothing red that may have the same fault."""
        return 0 in self.left.values()

    async def run(self, candidates: Sequence[CandidateChange], *, budget_s: float) -> None:
        """Try those that were not tried before.

        Raises:
            SandboxError: If the sandbox gives no answer.
        """
        fresh = [c for c in candidates if (c.path, c.after) not in self._texts]
        stored = await asyncio.to_thread(self._stored, fresh)
        new = [candidate for candidate, _ in stored]
        if not new or budget_s <= 0:
            return
        self._texts |= {(c.path, c.after) for c in new}
        searched = await self.tester.try_changes(
            [trial for _, trial in stored],
            red=[result.id for result in self.red],
            known_red=[result.id for result in self.known_red],
            beside=self.beside,
            endless=[result.id for result in self.known_red if result.was_ended],
            budget_s=budget_s,
            usual=self.usual,
        )
        self.usual = searched.usual or self.usual
        self._count += len(searched.results)
        self._message = searched.results[0].message if 0 in searched.results else ""
        for index, result in sorted(searched.results.items()):
            self.judged.add(hash((new[index].path, new[index].after)))
            if result.breaks_none:
                self.passing.append(new[index])
                self.left[new[index]] = result.left
        self.emit(
            ChangesTried(
                tried=self._count,
                passing=len(self.passing),
                origin=new[0].origin.value,
                tokens=self.tokens,
            )
        )

    async def run_one(
        self, candidate: CandidateChange, tokens: int, *, budget_s: float
    ) -> str | None:
        """Try one change that cost so many tokens; None if it passes, else how it fails.

        Raises:
            SandboxError: If the sandbox gives no answer.
        """
        self.tokens += tokens
        await self.run([candidate], budget_s=budget_s)
        return None if candidate in self.passing else self._message

    def chosen(self, test: str) -> tuple[CandidateChange, ...]:
        """The changes that pass and do not only tell the values of `test`, a source, from others.

        Those that leave the fewest red tests beside come first.
        """
        kept: list[CandidateChange] = []
        for candidate in self.passing:
            before = self.sources.text(candidate.path) or ""
            value = special_case(candidate, before, test)
            if value:
                said = f"refused, because it only treats the test's {value} apart"
                self.emit(Notice(f"{candidate.path}:{candidate.line} is {said}"))
                continue
            kept.append(candidate)
        return tuple(sorted(best_first(kept), key=lambda candidate: self.left[candidate]))

    def _stored(
        self, candidates: Sequence[CandidateChange]
    ) -> list[tuple[CandidateChange, ChangeTrial]]:
        """Changes with their files as they would be stored; those that cannot be are left out."""
        contents = ((c, self.sources.encoded(c.path, c.after)) for c in candidates)
        return [
            (c, ChangeTrial(path=c.path, content=content))
            for c, content in contents
            if content is not None
        ]
