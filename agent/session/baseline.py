"""Holds the edits of a turn back until the tests before it have read the files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agent.approval import Approver, Decision, Question

_PREPARING_S = 120.0
"""Seconds that an edit waits for the sandbox to be prepared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterBaseline:
    """An approver that holds edits back until the tests before the turn have read the files."""

    approver: Approver
    may_write: asyncio.Event
    late: asyncio.Event

    async def decide(self, question: Question) -> Decision:
        """Wait for the tests to have read the files; then ask."""
        if question.kind == "edit":
            try:
                await asyncio.wait_for(self.may_write.wait(), _PREPARING_S)
            except TimeoutError:
                self.late.set()
        return await self.approver.decide(question)
