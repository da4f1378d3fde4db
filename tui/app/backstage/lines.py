"""Gives each sent line to the dialogue, and lets the app show the result."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from tui.app.backstage.jobs import AgentJob
from tui.app.messages import (
    ConversationCleared,
    EntryMade,
    HelpWanted,
    LeaveWanted,
    QueueChanged,
)
from tui.app.transcript.entries import ChangeEntry, SaidEntry

if TYPE_CHECKING:
    from tui.app.backstage.backstage import Backstage
    from tui.taken import Taken


class SentLines:
    """Carries out one line after the other, without keeping the keyboard waiting."""

    def __init__(self, backstage: Backstage) -> None:
        self._behind = backstage
        self._last: asyncio.Task[None] | None = None

    def take(self, line: str) -> None:
        """Carry out a line after all earlier lines."""
        self._last = asyncio.create_task(self._take(line, after=self._last))

    async def _take(self, line: str, *, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait([after])
        await self._behind.opened.wait()
        await self._behind.guarded(self._carry_out(line))
        self._behind.post(QueueChanged(self._behind.jobs.waiting))

    async def close(self) -> None:
        """Drop the lines that were not carried out yet."""
        if self._last is not None:
            self._last.cancel()
            await asyncio.gather(self._last, return_exceptions=True)

    async def _carry_out(self, line: str) -> None:
        from tui.conversation import answered_at_once

        if answered_at_once(line):  # the line of a job is shown when the job begins
            self._behind.post(EntryMade(SaidEntry(line)))
        self._show(await self._behind.dialogue.take(line), line)

    def _show(self, taken: Taken, line: str) -> None:  # noqa: C901, PLR0912 - a closed union
        from tui import taken as said

        behind = self._behind
        match taken:
            case said.Changed(diff=diff, title=title):
                behind.post(EntryMade(ChangeEntry(title, diff)))
            case said.Learn():
                behind.learner.start(by_hand=True)
            case said.Help():
                behind.post(HelpWanted())
            case said.Leave():
                behind.post(LeaveWanted())
            case said.ModeChanged(mode=mode, text=text):
                behind.set_mode(mode)
                behind.answer(text)
            case said.AnswererChanged(text=text, model=model):
                if model:
                    behind.status.show(replace(behind.status.fields, model=model, adapter=""))
                behind.answer(text)
                if not model:
                    behind.switch_when_idle()
            case said.FilesPutBack(text=text):
                behind.answer(text)
                behind.look_at_files()
            case said.Cleared(text=text):
                behind.post(ConversationCleared())
                behind.status.show(replace(behind.status.fields, used=0, tokens_per_s=0.0))
                behind.answer(text)
            case said.Told(text=text):
                behind.answer(text)
            case said.PendingWork(title=title, events=events):
                behind.jobs.submit(AgentJob(title=title, events=events, said=line))
            case _:
                assert_never(taken)
