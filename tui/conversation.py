"""Carries out the lines of a conversation for both front ends; draws nothing.

A line is a request to the model, a command that begins with `/`, or one for the sandbox after `!`. `Dialogue.take` returns a value
that the front end shows: a sentence, a diff, work to run, or a change of the front end's own state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from agent.approval import MODES, Mode
from agent.events import (
    ChangeChosen,
    Event,
    Notice,
    OtherChange,
    ReplyFinished,
    RequestRead,
    TestsFinished,
)
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.rounds.options import round_options
from agent.session.given import changes_text, failing_text, folder_files, without_file
from agent.session.marked import DIFF, marked_words
from agent.turn.conversation import Conversation
from tui.slash import find, mentioned, nearest, shell_command, split, written
from tui.taken import (
    AnswererChanged,
    Changed,
    Cleared,
    FilesPutBack,
    Help,
    Learn,
    Leave,
    ModeChanged,
    PendingWork,
    Taken,
    Told,
)
from tui.talking import TalkingAgent
from tui.undone import rewound, turns_in_words, undo_or_redo

if TYPE_CHECKING:
    from agent.session.context import Context

_BUSY = "something is running; stop it first (Esc)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The answering model and the use of its context, as of the last reply."""

    model: str
    adapter: str = ""
    used_tokens: int = 0
    limit_tokens: int = 0


_BECOMES_A_JOB = ("/test", "/fix", "/run", "/wrong", "/as", "/mcp")


def answered_at_once(line: str) -> bool:
    """True for a complete command that needs no job of its own."""
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
        """Keep what the commands work with.

        `files` lists the repository's files; `start` returns the first snapshot of the conversation.
        While `busy` is true, a command that changes files or the model is refused.
        """
        self._where = where
        self._agent = agent
        self._files = files
        self._start = start
        self._busy = busy
        self._mode: Mode = mode
        self.standing = Standing(model=where.settings.model.name)
        self._asked = self._attached = ""
        """The last request, to be read as something else, and what came with it."""
        self._read_as: Wanted | None = None
        self._others: tuple[OtherChange, ...] = ()
        self._last_run: TestsFinished | None = None

    @property
    def mode(self) -> Mode:
        """The approval mode."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        self._agent.note_mode(mode)

    def note(self, event: Event) -> None:
        """Update `standing`, what the last request was read as, and what else would pass."""
        if isinstance(event, RequestRead):
            self._read_as = Wanted(event.wanted)
        if isinstance(event, TestsFinished):
            self._last_run = event
        if isinstance(event, ChangeChosen):
            self._others = (*self._others, *event.others)
        if isinstance(event, ReplyFinished):
            self.standing = Standing(
                model=event.model,
                adapter=event.adapter or "",
                used_tokens=event.prompt_tokens + event.completion_tokens,
                limit_tokens=event.context_length,
            )

    async def stopped(self) -> str:
        """Tell what a job that was stopped has written, once its clean-up is over."""
        written = await self._agent.written()
        if not written:
            return "Stopped. No file was changed."
        return f"Stopped. Changed before that: {', '.join(written)}. /undo takes it back."

    async def take(self, line: str, attached: str = "") -> Taken:
        """Carry out one line, or return the work that carries it out.

        `attached` is what came with a request and is not the person's own words, such as a text that
        an editor gives along. It decides nothing, and commands do without it.

        Raises:
            AgentError: If the line cannot be carried out; the message says why and what to do.
            LearningError: If the experiences or adapters cannot be read or used.
            SandboxError: If the sandbox gives no answer.
        """
        if (typed := shell_command(line)) is not None:
            return self._shell(typed)
        name, rest = split(line)
        if not name:
            return await self._request(line, attached)
        if own := self._where.commands.find(name):
            return await self._request(own.request(rest), attached)
        command = find(name)
        if command is None:
            meant = nearest(name, written(self._where.commands))
            advice = f"did you mean {meant}?" if meant else "/help shows them"
            return Told(text=f"{name} is no command; {advice}")
        if command.needs_argument and not rest:
            return Told(text=f"an argument is missing: {command.usage}")
        return self._work(name, rest) or await self._at_once(name, rest)

    def _shell(self, command: str) -> PendingWork | Told:
        if not command:
            return Told(text="write a command after the !, such as !ls; it runs in the sandbox")
        run = partial(self._agent.run_command, command, announced=True)
        return PendingWork(title=f"running {command}", events=run)

    async def _request(self, line: str, attached: str) -> PendingWork:
        files = self._files()
        inside = folder_files(line, files)
        for path in (*mentioned(line, files), *inside.paths):
            self._agent.conversation.add_file(path)
        given = await asyncio.to_thread(self._given, line, files)
        more = f"{inside.left_out} more files of the named folders are not shown."
        parts = [attached, *given, more if inside.left_out else ""]
        attached = "\n\n".join(filter(None, parts))
        self._asked, self._attached, self._read_as = line, attached, None
        missing = await asyncio.to_thread(lambda: list(without_file(line, self._where.root, files)))
        notices = [Notice(sentence, "warning") for sentence in missing]
        turn = partial(self._agent.turn, line, attached=attached)
        return PendingWork(title="answering", events=partial(_behind, notices, turn))

    def _given(self, line: str, files: Sequence[str]) -> list[str]:
        """The texts that words after `@` give along; blocks."""
        given = []
        for word in marked_words(line, files):
            if word == DIFF:
                given.append(changes_text(self._where.root, self._where.environ))
            else:
                given.append(failing_text(self._last_run, Sources(self._where.root, files)))
        return given

    def _read_again(self, kind: str) -> PendingWork | Told:
        """The last request as another kind: the named one, else a change for a question, and back."""
        kinds = [known.value for known in Wanted if known is not Wanted.COMMAND]
        if not self._asked:
            return Told(text="there is no request yet that could be read as something else")
        if kind and kind not in kinds:
            return Told(text=f"{kind} is no kind of request; choose: /as {'|'.join(kinds)}")
        writes = self._read_as is not None and self._read_as.may_write
        wanted = Wanted(kind) if kind else (Wanted.QUESTION if writes else Wanted.EDIT)
        self._read_as = wanted
        again = partial(self._agent.turn, self._asked, wanted=wanted, attached=self._attached)
        return PendingWork(title="answering", events=again)

    def _fix(self) -> PendingWork | Told:
        """A repair, which is asked for as a whole: nothing that only reads lets it write."""
        if self._mode == "plan":
            return Told(text="plan mode only reads: `/mode ask` or Shift+Tab first, then /fix")
        self._others = ()
        return PendingWork(title="repairing what fails", events=self._agent.fix)

    def _work(self, name: str, rest: str) -> PendingWork | Learn | Told | None:
        agent = self._agent
        match name:
            case "/test":
                return PendingWork(title="running the tests", events=agent.test)
            case "/fix":
                return self._fix()
            case "/run":
                return self._shell(rest)
            case "/wrong" | "/mcp":
                is_wrong = name == "/wrong"
                title = "noting it" if is_wrong else "using MCP servers"
                work = agent.wrong if is_wrong else agent.use_outside
                return PendingWork(title=title, events=partial(work, rest))
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
            case "/as" | "/mode":
                return self._read_again(rest) if name == "/as" else self._set_mode(rest)
            case "/undo" | "/redo" | "/diff" | "/others" | "/clear":
                return await self._change(name, rest)
            case "/model" | "/adapters" | "/rewind" if rest:
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
        if name == "/others":
            diff = "".join(other.diff for other in self._others)
            if not diff:
                return Told(text="no other change passed")
            return Changed(diff=diff, title="these pass as well and are not written")
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
        if name == "/rewind":
            return await asyncio.to_thread(rewound, self._agent.rewind, rest)
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
            "/rewind": lambda: turns_in_words(self._agent.past_turns),
            "/why": lambda: reports.why(library),
            "/model": lambda: reports.model(
                standing.model,
                standing.adapter,
                base_url=where.settings.model.base_url,
                planner=where.settings.planner,
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


async def _behind(
    notices: Sequence[Notice], work: Callable[[], AsyncGenerator[Event, None]]
) -> AsyncGenerator[Event, None]:
    """The events of some work, with these notices before them."""
    for notice in notices:
        yield notice
    async with aclosing(work()) as events:
        async for event in events:
            yield event
