"""The part of the agent that the app uses: the tests put a scripted one behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from tui.talking import TalkedFiles, TalkingAgent

if TYPE_CHECKING:
    from agent.approval import Approver
    from agent.events import Event
    from agent.rounds.options import LearnOptions
    from agent.rounds.process import LearnerSwitch
    from agent.rounds.self_play import SelfPlayOptions


class RepositoryFiles(TalkedFiles, Protocol):
    """The files of the repository and their snapshots."""

    def list_files(self) -> list[str]: ...

    def snapshot(self, label: str) -> str: ...


class Agent(TalkingAgent, Protocol):
    """One opened repository, as `agent.assistant.Assistant` offers it; one job at a time."""

    @property
    def workspace(self) -> RepositoryFiles: ...

    def news(self) -> list[str]:
        """Events of the files at the opening of the repository, in sentences; each is told once."""

    def learn(
        self, options: LearnOptions, *, switch: LearnerSwitch | None = None
    ) -> AsyncGenerator[Event, None]: ...

    def self_play(self, options: SelfPlayOptions) -> AsyncGenerator[Event, None]: ...


OpenAgent = Callable[["Approver"], AbstractAsyncContextManager[Agent]]
