"""Keeps the actions of a turn as they happen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.editing.edits import Accepted
from agent.events import ExperienceRecorded, Notice
from agent.streaming import Emit
from learning.experience.store import StoreError
from learning.records import Action, Message
from sandbox.verdict.report import TestReport


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStep:
    """One action of a conversation, with all that was done for it."""

    messages: tuple[Message, ...]
    """The history that the model saw before the action."""
    action: Action
    edits: tuple[Accepted, ...] = ()
    """Edits that were written, as the model meant them; empty if there were none."""
    command: str = ""
    observation: str = ""
    """The outcome as the model was told it, or the reason why the turn ended there."""


class TurnRecorder(Protocol):
    """Keeps what happens in a conversation; `agent.session.capture.Recorder` is the real one."""

    def acted(self, step: TurnStep) -> ExperienceRecorded | None:
        """Keep one action.

        Raises:
            StoreError: If it cannot be written.
        """
        ...

    def tests_ran(self, report: TestReport) -> Sequence[ExperienceRecorded]:
        """Judge the edits since the last run of the tests by what this one says.

        Raises:
            StoreError: If it cannot be written.
        """
        ...

    def files_are(self, read: Callable[[str], str | None]) -> Sequence[ExperienceRecorded]:
        """Find what the user made of the edits, given how to read a file now.

        Raises:
            StoreError: If it cannot be written.
        """
        ...

    def put_back(self, read: Callable[[str], str | None]) -> None:
        """Forget what was written and is no longer there, given how to read a file now."""
        ...


@dataclass(slots=True)
class TurnLog:
    """Records one turn, and tells of it; nothing more after the store failed once."""

    recorder: TurnRecorder | None
    emit: Emit
    read: Callable[[str], str | None]
    """Gives a file of the project as it is now."""

    async def record(self, step: TurnStep, report: TestReport | None, *, in_part: bool) -> None:
        """Keep one action with the tests that ran after it.

        `in_part` is true if the person kept only a part of an edit: what was written is then the
        person's edit of the model's, and judged as such.
        """
        if self.recorder is None:
            return
        try:
            recorded = await asyncio.to_thread(self.recorder.acted, step)
            edited = self.recorder.files_are(self.read) if in_part else ()
            judged: Sequence[ExperienceRecorded] = ()
            if report is not None:
                judged = await asyncio.to_thread(self.recorder.tests_ran, report)
        except StoreError as err:
            self.recorder = None
            self.emit(Notice(f"nothing more is recorded in this turn: {err}", "warning"))
            return
        for event in (recorded, *edited, *judged):
            if event is not None:
                self.emit(event)

    def put_back(self) -> None:
        """Forget what was written and is no longer there."""
        if self.recorder is not None:
            self.recorder.put_back(self.read)
