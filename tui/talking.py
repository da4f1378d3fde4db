"""Defines what a conversation asks of the agent behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Protocol

from agent.approval import Mode
from agent.events import Event
from agent.intent.wanted import Wanted
from agent.turn.conversation import Conversation
from tui.undone import Undoable

if TYPE_CHECKING:
    from agent.session.rewinding import PastTurn
    from agent.workspace.workspace import Restored


class TalkedFiles(Undoable, Protocol):
    """The part of the workspace that a conversation uses."""

    def diff(self, old: str, new: str | None = None) -> str: ...


class TalkingAgent(Protocol):
    """The part of the assistant that a conversation uses."""

    conversation: Conversation

    @property
    def workspace(self) -> TalkedFiles: ...

    def turn(
        self, text: str, *, wanted: Wanted | None = None, attached: str = ""
    ) -> AsyncGenerator[Event, None]: ...

    def test(self) -> AsyncGenerator[Event, None]: ...

    def note_mode(self, mode: Mode) -> None: ...

    def fix(self) -> AsyncGenerator[Event, None]: ...

    def run_command(
        self, command: str, *, announced: bool = False
    ) -> AsyncGenerator[Event, None]: ...

    def past_turns(self) -> Sequence[PastTurn]:
        """The turns of the session that can be taken back; blocks."""

    def rewind(self, number: int) -> Restored | None:
        """Go back to before a turn; None if no file changed since. Blocks."""

    async def written(self) -> Sequence[str]:
        """The files that the last job left changed."""

    def use_outside(self, said: str) -> AsyncGenerator[Event, None]: ...

    def wrong(self, why: str) -> AsyncGenerator[Event, None]: ...

    async def reconnect(self, model: str | None = None, *, sandbox: bool = True) -> None:
        """Close the model and the sandbox; the next job opens them anew.

        `model` names another model for the rest of the session.
        """
