"""Keeps the judged actions of a repair as experiences."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from agent.advice.failure import EnvironmentFact
from agent.editing.edits import Accepted
from agent.events import ExperienceRecorded, Notice
from agent.fixing.attempts import Asked, Parts, Plan
from agent.fixing.judging import Judgement, evidence_after
from learning.experience.store import StoreError
from learning.records import Experience, Origin, Verdict


class StepRecorder(Protocol):
    """Keeps judged actions; `agent.session.capture.Recorder` is the real one."""

    def record(self, draft: Experience) -> object:
        """Complete the draft and store it.

        Raises:
            StoreError: If it cannot be written.
        """
        ...


@dataclass(slots=True)
class RepairLog:
    """Records what a repair tried; nothing more after the store failed once."""

    parts: Parts
    recorder: StepRecorder | None

    async def record(
        self,
        plan: Plan,
        asked: Asked,
        judgement: Judgement,
        edit: Accepted | None = None,
        origin: Origin = Origin.FIX,
    ) -> None:
        """Store one action with the tests' judgement of it, and tell of it."""
        if self.recorder is None:
            return
        facts = await self._facts(judgement)
        verdict = Verdict.UNKNOWN if judgement.unproven else judgement.verdict
        draft = replace(
            Experience.draft(asked.messages, asked.action, verdict),
            evidence=evidence_after(judgement, facts),
            targets=judgement.solved or (plan.result.id,),
            path=edit.path if edit else "",
            before=(edit.before or "") if edit else "",
            after=edit.after if edit else "",
            trust=judgement.trust,
            origin=origin,
        )
        try:
            recorded = await asyncio.to_thread(self.recorder.record, draft)
        except StoreError as err:
            self.recorder = None
            self.parts.emit(Notice(f"nothing more is recorded in this run: {err}", "warning"))
            return
        if isinstance(recorded, ExperienceRecorded):
            self.parts.emit(recorded)

    async def _facts(self, judgement: Judgement) -> Sequence[EnvironmentFact]:
        """The environment's advice on the failure that an edit led to."""
        if self.parts.advise is None or not judgement.failing:
            return ()
        return (await self.parts.advise(judgement.failing[0], self.parts.sources)).facts
