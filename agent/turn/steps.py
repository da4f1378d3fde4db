"""Defines the record of one action of a turn, and its keeper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.editing.edits import Accepted
from agent.events import ExperienceRecorded
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
