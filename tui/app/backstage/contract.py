"""What the app needs of the agent, and nothing more: the tests put a scripted one behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the first paint waits for none of these
    from agent.approval import Approver
    from agent.events import Event
    from agent.rounds.learn import LearnOptions
    from agent.rounds.practice import PracticeOptions
    from agent.rounds.process import LearnerSwitch
    from agent.turn.conversation import Conversation
    from agent.workspace.workspace import Restored


class RepositoryFiles(Protocol):
    """The files of the repository and their history."""

    def list_files(self) -> list[str]: ...

    def snapshot(self, label: str) -> str: ...

    def diff(self, old: str, new: str | None = None) -> str: ...

    def undo(self, *, force: bool = False) -> Restored: ...

    def redo(self, *, force: bool = False) -> Restored: ...


class Agent(Protocol):
    """One opened repository, as `agent.assistant.Assistant` offers it; one job at a time."""

    conversation: Conversation

    @property
    def workspace(self) -> RepositoryFiles: ...

    def news(self) -> list[str]:
        """What happened to the files when the repository was opened, until somebody was told."""

    def turn(self, text: str) -> AsyncGenerator[Event, None]: ...

    def test(self) -> AsyncGenerator[Event, None]: ...

    def fix(self) -> AsyncGenerator[Event, None]: ...

    def run_command(self, command: str) -> AsyncGenerator[Event, None]: ...

    def wrong(self, why: str) -> AsyncGenerator[Event, None]: ...

    def learn(
        self, options: LearnOptions, *, switch: LearnerSwitch | None = None
    ) -> AsyncGenerator[Event, None]: ...

    def practise(self, options: PracticeOptions) -> AsyncGenerator[Event, None]: ...

    async def reconnect(self, model: str | None = None, *, sandbox: bool = True) -> None:
        """Let go of the model and the sandbox; the next job finds or starts them anew.

        `model` names another one.
        """


OpenAgent = Callable[["Approver"], AbstractAsyncContextManager[Agent]]
