"""An agent behind the full-screen app that does what a test scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from agent.approval import Approver, Mode, Question
from agent.errors import UndoRefusedError
from agent.events import EditApplied, Event, Notice, TurnFinished
from agent.intent.wanted import Wanted
from agent.rounds.options import LearnOptions
from agent.rounds.process import LearnerSwitch
from agent.rounds.self_play import SelfPlayOptions
from agent.session.rewinding import PastTurn
from agent.turn.conversation import Conversation
from agent.workspace.workspace import Restored


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """In a script: nothing more comes; when it is stopped, tidying up waits for `tidied`."""

    tidied: asyncio.Event | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asks:
    """In a script: a question, and the edit that follows a yes."""

    question: Question


Scripted = Event | Waits | Asks | Exception


@dataclass(kw_only=True)
class ScriptedFiles:
    """A repository of names only."""

    names: Sequence[str] = ("src/one.py", "src/two.py", "README.md", "warehouse/pricing.py")
    undone: int = 0
    since_start: str = ""
    edited_since: bool = False

    def list_files(self) -> list[str]:
        return list(self.names)

    def snapshot(self, label: str) -> str:
        return label

    def diff(self, old: str, new: str | None = None) -> str:
        return self.since_start

    def undo(self, *, force: bool = False) -> Restored:
        if self.edited_since and not force:
            raise UndoRefusedError("src/one.py changed since 'a turn'", forced="overwrites it")
        self.undone += 1
        return Restored(label="a turn", paths=("src/one.py",), safety="s")

    def redo(self, *, force: bool = False) -> Restored:
        self.undone -= 1
        return Restored(label="a turn", paths=("src/one.py",), safety="s")


@dataclass(kw_only=True)
class ScriptedAgent:
    """Gives the scripted events of each job in order; the last script repeats."""

    script: list[Sequence[Scripted]] = field(default_factory=lambda: [(TurnFinished("done"),)])
    learning: Sequence[Scripted] = ()
    self_play_events: Sequence[Scripted] = ()
    self_played: list[SelfPlayOptions] = field(default_factory=list)
    conversation: Conversation = field(default_factory=Conversation)
    workspace: ScriptedFiles = field(default_factory=ScriptedFiles)
    approver: Approver | None = None
    asked: list[str] = field(default_factory=list)
    answers: list[bool] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    instead: list[str] = field(default_factory=list)
    kept: list[frozenset[int] | None] = field(default_factory=list)
    wanted: list[Wanted | None] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    modes: list[Mode] = field(default_factory=list)
    written_files: Sequence[str] = ()
    turns: Sequence[PastTurn] = ()
    rewound: list[int] = field(default_factory=list)
    cancelled: int = 0
    reconnected: list[str | None] = field(default_factory=list)
    switch: LearnerSwitch | None = None
    learner_ended: bool = False
    closed: bool = False

    def __call__(self, approver: Approver) -> Self:
        self.approver = approver
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closed = True

    def news(self) -> list[str]:
        return []

    def turn(
        self, text: str, *, wanted: Wanted | None = None, attached: str = ""
    ) -> AsyncGenerator[Event, None]:
        self.wanted.append(wanted)
        self.attached.append(attached)
        return self._job(text)

    def test(self) -> AsyncGenerator[Event, None]:
        return self._job("/test")

    def note_mode(self, mode: Mode) -> None:
        self.modes.append(mode)

    def fix(self) -> AsyncGenerator[Event, None]:
        return self._job("/fix")

    def run_command(self, command: str, *, announced: bool = False) -> AsyncGenerator[Event, None]:
        self.commands.append(command)
        return self._job(command)

    def use_outside(self, said: str) -> AsyncGenerator[Event, None]:
        return self._job(f"/mcp {said}")

    async def written(self) -> Sequence[str]:
        return self.written_files

    def past_turns(self) -> Sequence[PastTurn]:
        return self.turns

    def rewind(self, number: int) -> Restored | None:
        self.rewound.append(number)
        return Restored(label="a turn", paths=("src/one.py",), safety="s")

    def wrong(self, why: str) -> AsyncGenerator[Event, None]:
        return self._job(why)

    async def learn(
        self, options: LearnOptions, *, switch: LearnerSwitch | None = None
    ) -> AsyncGenerator[Event, None]:
        self.switch = switch
        try:
            for item in self.learning:
                async for event in self._play(item):
                    yield event
        finally:
            self.learner_ended = True

    async def self_play(self, options: SelfPlayOptions) -> AsyncGenerator[Event, None]:
        self.self_played.append(options)
        for item in self.self_play_events:
            async for event in self._play(item):
                yield event

    async def reconnect(self, model: str | None = None, *, sandbox: bool = True) -> None:
        self.reconnected.append(model)

    async def _job(self, asked: str) -> AsyncGenerator[Event, None]:
        self.asked.append(asked)
        script = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        try:
            for item in script:
                async for event in self._play(item):
                    yield event
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def _play(self, item: Scripted) -> AsyncGenerator[Event, None]:
        match item:
            case Waits(tidied=tidied):
                try:
                    await asyncio.Event().wait()
                finally:
                    if tidied is not None:
                        await tidied.wait()
            case Asks(question=question):
                assert self.approver is not None
                decision = await self.approver.decide(question)
                self.answers.append(decision.allowed)
                self.reasons.append(decision.reason)
                self.kept.append(decision.kept)
                self.instead.append(decision.instead)
                yield (
                    EditApplied(question.subject, question.detail)
                    if decision.allowed
                    else Notice(f"not written: {decision.reason}")
                )
            case Exception():
                raise item
            case _:
                yield item
                await asyncio.sleep(0)
