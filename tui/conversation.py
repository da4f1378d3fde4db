"""A conversation without any screen: carries out each line, whichever front end it was typed in.

A line is a request to the model or a command that begins with `/`. `Dialogue.take` answers with a
value that the front end shows: a sentence, a diff, work that takes a while, or what is to happen to
the screen itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from agent.approval import MODES, Mode
from agent.events import Event, ReplyFinished
from agent.rounds.options import round_options
from agent.turn.conversation import Conversation
from tui.slash import find, mentioned, nearest, split
from tui.undone import Undoable, undo_or_redo

if TYPE_CHECKING:
    from agent.rounds.options import LearnOptions
    from agent.session.context import Context

_BUSY = "something is running; stop it first (Esc)"


class TalkedFiles(Undoable, Protocol):
    """The part of the workspace that a conversation uses."""

    def diff(self, old: str, new: str | None = None) -> str: ...


class TalkingAgent(Protocol):
    """The part of the assistant that a conversation uses."""

    conversation: Conversation

    @property
    def workspace(self) -> TalkedFiles: ...

    def turn(self, text: str) -> AsyncGenerator[Event, None]: ...

    def test(self) -> AsyncGenerator[Event, None]: ...

    def fix(self) -> AsyncGenerator[Event, None]: ...

    def run_command(self, command: str) -> AsyncGenerator[Event, None]: ...

    def wrong(self, why: str) -> AsyncGenerator[Event, None]: ...

    async def reconnect(self, model: str | None = None, *, sandbox: bool = True) -> None:
        """Let go of the model and the sandbox; the next work finds or starts them anew.

        `model` names another one.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A sentence, or a few, for the person."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What changed since the conversation began."""

    diff: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingWork:
    """Something that takes a while and can be stopped; nothing has begun yet."""

    title: str
    events: Callable[[], AsyncGenerator[Event, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learn:
    """A learning round with these options is wanted; nothing has begun yet."""

    options: LearnOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChanged:
    """Another mode decides about changes from now on."""

    mode: Mode
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswererChanged:
    """Another model or adapter answers from the next reply on."""

    text: str
    model: str = ""
    """The model, if it is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesPutBack:
    """Files were put back, or forward again."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """The conversation begins anew."""

    text: str


class Help:
    """The list of commands is wanted."""


class Leave:
    """The person wants to leave."""


Taken = (
    Told
    | Changed
    | PendingWork
    | Learn
    | ModeChanged
    | AnswererChanged
    | FilesPutBack
    | Cleared
    | Help
    | Leave
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Who answers, and how full the context is, as the last reply said."""

    model: str
    adapter: str = ""
    used_tokens: int = 0
    limit_tokens: int = 0


_BECOMES_A_JOB = ("/test", "/fix", "/run", "/wrong")


def answered_at_once(line: str) -> bool:
    """True for a whole command that is answered without a job of its own."""
    name, rest = split(line)
    command = find(name)
    if command is None or name in _BECOMES_A_JOB:
        return False
    return bool(rest) or not command.needs_argument


class Dialogue:
    """Carries out the lines of one conversation."""

    def __init__(
        self,
        where: Context,
        agent: TalkingAgent,
        *,
        mode: Mode,
        files: Callable[[], Sequence[str]],
        start: Callable[[], Awaitable[str]],
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """`files` are the repository's, `start` gives the snapshot of the beginning.

        While `busy` is true, nothing is done that would take files or the model from work.
        """
        self._where = where
        self._agent = agent
        self._files = files
        self._start = start
        self._busy = busy
        self.mode: Mode = mode
        self.standing = Standing(model=where.settings.model.name)

    def note(self, event: Event) -> None:
        """Take in what work says of the model and its context."""
        if isinstance(event, ReplyFinished):
            self.standing = Standing(
                model=event.model,
                adapter=event.adapter or "",
                used_tokens=event.prompt_tokens + event.completion_tokens,
                limit_tokens=event.context_length,
            )

    async def take(self, line: str) -> Taken:
        """Carry out one line, or say how it is carried out.

        Raises:
            AgentError: If it cannot be done; the message says why and what to do.
            LearningError: If the experiences or adapters cannot be read or used.
            SandboxError: If the sandbox gives no answer.
        """
        name, rest = split(line)
        if not name:
            return self._request(line)
        command = find(name)
        if command is None:
            meant = nearest(name)
            advice = f"did you mean {meant}?" if meant else "/help shows them"
            return Told(text=f"{name} is no command; {advice}")
        if command.needs_argument and not rest:
            return Told(text=f"it needs something more: {command.usage}")
        return self._work(name, rest) or await self._at_once(name, rest)

    def _request(self, line: str) -> PendingWork:
        for path in mentioned(line, self._files()):
            self._agent.conversation.add_file(path)
        return PendingWork(title="answering", events=lambda: self._agent.turn(line))

    def _work(self, name: str, rest: str) -> PendingWork | Learn | None:
        agent = self._agent
        match name:
            case "/test":
                return PendingWork(title="running the tests", events=agent.test)
            case "/fix":
                return PendingWork(title="repairing what fails", events=agent.fix)
            case "/run":
                return PendingWork(title=f"running {rest}", events=lambda: agent.run_command(rest))
            case "/wrong":
                return PendingWork(title="noting it", events=lambda: agent.wrong(rest))
            case "/learn":
                return Learn(options=round_options(self._where.settings.learn))
            case _:
                return None

    async def _at_once(self, name: str, rest: str) -> Taken:
        match name:
            case "/help" | "/quit":
                return Help() if name == "/help" else Leave()
            case "/add" | "/drop":
                return self._file(name, rest.removeprefix("@"))
            case "/mode":
                return self._set_mode(rest)
            case "/undo" | "/redo" | "/diff" | "/clear":
                return await self._change(name, rest)
            case "/model" | "/adapters" if rest:
                return await self._switch(name, rest)
            case _:
                return await self._report(name, rest)

    def _file(self, name: str, path: str) -> Told:
        if name == "/drop":
            self._agent.conversation.drop_file(path)
            return Told(text=f"{path} is not shown any more when it changes")
        if path not in self._files():
            return Told(text=f"there is no file {path} in this repository")
        self._agent.conversation.add_file(path)
        return Told(text=f"{path} is shown to the model with your next request")

    def _set_mode(self, given: str) -> ModeChanged | Told:
        for mode in MODES:
            if given == mode:
                self.mode = mode
                return ModeChanged(mode=mode, text=f"mode {mode}")
        return Told(text=f"mode {self.mode}; choose: /mode {'|'.join(MODES)}")

    async def _change(self, name: str, rest: str) -> Taken:
        if name == "/diff":
            start = await self._start()
            diff = await asyncio.to_thread(self._agent.workspace.diff, start)
            return Changed(diff=diff) if diff else Told(text="nothing changed")
        if self._busy():
            return Told(text=_BUSY)
        if name == "/clear":
            self._agent.conversation = Conversation()
            return Cleared(text="the conversation begins anew; files and experiences stay")
        text = await asyncio.to_thread(undo_or_redo, self._agent.workspace, name, rest)
        return FilesPutBack(text=text)

    async def _switch(self, name: str, rest: str) -> Taken:
        from agent.library import reports

        if name == "/adapters":
            text = await asyncio.to_thread(reports.use_adapter, self._where.library, rest)
            return AnswererChanged(text=text)
        if self._busy():
            return Told(text=_BUSY)
        await self._agent.reconnect(rest, sandbox=False)
        self.standing = Standing(model=rest)
        return AnswererChanged(text=f"{rest} answers from the next reply on", model=rest)

    async def _report(self, name: str, rest: str) -> Told:
        from agent.library import reports

        where, library = self._where, self._where.library
        conversation, standing = self._agent.conversation, self.standing
        looks: dict[str, Callable[[], str]] = {
            "/adapters": lambda: reports.adapters(library),
            "/experiences": lambda: reports.experiences(library),
            "/why": lambda: reports.why(library),
            "/model": lambda: reports.model(
                standing.model, standing.adapter, base_url=where.settings.model.base_url
            ),
            "/export": lambda: reports.export(conversation.messages, rest, root=where.root),
            "/tokens": lambda: reports.tokens(
                conversation.messages,
                conversation.added_files,
                used=standing.used_tokens,
                limit=standing.limit_tokens,
            ),
        }
        return Told(text=await asyncio.to_thread(looks[name]))
