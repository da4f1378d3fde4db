"""One turn of the conversation: ask the model, do what it asks for, tell it what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.approval import Approver, Question
from agent.editing.edits import Accepted, Refused, apply_edit, check_edit, unified_diff
from agent.editing.source_files import SourceFileError
from agent.events import (
    EditApplied,
    EditProposed,
    Event,
    Notice,
    OutputChunk,
    ReplyUnusable,
    StageStarted,
    TurnFinished,
)
from agent.fixing.context import estimate_tokens, fenced
from agent.fixing.sources import Sources
from agent.model.protocol import ContextLengthError, Model
from agent.prompt_files import prompt
from agent.reply.parse import (
    FileEdit,
    FileEdits,
    PlainAnswer,
    Reading,
    ShellCommand,
    Unusable,
    parse_reply,
)
from agent.streaming import Emit, stream_events
from agent.turn.asking import ask
from agent.turn.conversation import Conversation
from agent.turn.tools import RunCommand, command_digest, show_files
from learning.records import Action, Message, Role, Sampling
from sandbox.contract import SandboxError

__all__ = ["Conversation", "RunCommand", "TurnLimits", "run_turn"]

_MOST_REASKS = 2
_SMALLEST_REPLY_TOKENS = 128
_INTERRUPTED = "(interrupted)"

DONE = "done"
DECLINED = "declined"
STUCK = "stuck: the same reply came twice"
LIMIT = "limit of replies reached"
REASKED_ENOUGH = "no usable reply after two re-asks"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLimits:
    """What one turn may use."""

    max_replies: int = 6
    max_reply_tokens: int = 1024


def run_turn(
    conversation: Conversation,
    user_text: str,
    *,
    root: Path,
    files: Sequence[str],
    model: Model,
    approver: Approver,
    run_command: RunCommand | None = None,
    limits: TurnLimits = TurnLimits(),
    temperature: float = 0.0,
    seed: int = 0,
    allow_test_edits: bool = True,
    snapshot: Callable[[str], object] | None = None,
) -> AsyncGenerator[Event, None]:
    """Answer one request of the user; the last event is `TurnFinished`.

    `files` are the repository's files relative to `root`. `snapshot` is called once, in a thread,
    before the first edit or command. Edits that were applied stay when this is cancelled; each is
    whole, and the snapshot undoes them.

    Raises:
        ModelError: If the model gives no answer.
    """

    async def work(emit: Emit) -> None:
        turn = _Turn(
            conversation=conversation,
            user_text=user_text,
            sources=Sources(root, files),
            model=model,
            approver=approver,
            run_command=run_command,
            limits=limits,
            sampling=Sampling(temperature=temperature, seed=seed),
            allow_test_edits=allow_test_edits,
            snapshot=snapshot,
            emit=emit,
        )
        emit(TurnFinished(await turn.run()))

    return stream_events(work)


@dataclass(kw_only=True)
class _Turn:
    """What one turn works with, and how far it is."""

    conversation: Conversation
    user_text: str
    sources: Sources
    model: Model
    approver: Approver
    run_command: RunCommand | None
    limits: TurnLimits
    sampling: Sampling
    allow_test_edits: bool
    snapshot: Callable[[str], object] | None
    emit: Emit
    reasks: int = 0

    async def run(self) -> str:
        """The reason why the turn ended."""
        if problem := await self._open():
            return problem
        seen: set[str] = set()
        for left in reversed(range(self.limits.max_replies)):
            answer = await self._reply()
            if isinstance(answer, str):
                return answer
            if answer.text.strip() in seen:
                return STUCK
            seen.add(answer.text.strip())
            ending, observation = await self._act(self._read(answer))
            if ending or not left:
                return ending or LIMIT
            self._say("user", observation)
        return LIMIT

    async def _open(self) -> str:
        """Append the request with the files that it is about; a reason if there is no room."""
        start = (
            [] if self.conversation.messages else [Message(role="system", content=prompt("system"))]
        )
        asked = Message(role="user", content=self.user_text)
        used = await self.model.count_tokens([*self.conversation.messages, *start, asked])
        room = self.model.context_length - used
        if room < _SMALLEST_REPLY_TOKENS:
            return (
                f"context full: {used} of {self.model.context_length} tokens are used;"
                " start a new session, or use a model with a larger context"
            )
        budget = room - min(self.limits.max_reply_tokens, room // 2)
        shown = show_files(
            self.conversation,
            self.user_text,
            self.sources,
            budget_tokens=budget,
            count=estimate_tokens,
        )
        for path in shown.too_large:
            text = f"{path} was not shown to the model: it does not fit into the context"
            self.emit(Notice(text, "warning"))
        for message in start:
            self.conversation.append(message)
        self._say("user", f"{shown.text}\n\n{self.user_text}" if shown.text else self.user_text)
        return ""

    async def _reply(self) -> Action | str:
        """The next reply, appended to the history; a reason if there is no room for one."""
        messages = self.conversation.messages
        used = await self.model.count_tokens(messages)
        room = self.model.context_length - used
        if room < _SMALLEST_REPLY_TOKENS:
            return f"context full: {used} of {self.model.context_length} tokens are used"
        sampling = replace(self.sampling, max_tokens=min(room, self.limits.max_reply_tokens))
        heard: list[str] = []
        said = ""
        try:
            reply = await ask(
                self.model, messages, sampling=sampling, emit=self.emit, on_text=heard.append
            )
            said = reply.action.text
        except ContextLengthError as err:
            return str(err)
        finally:
            # Whatever happened, roles go on alternating, and what was said stays said.
            self._say("assistant", said or f"{''.join(heard)}{_INTERRUPTED}")
        if reply.action.finish == "length":
            self.emit(Notice(f"the reply was cut off at {sampling.max_tokens} tokens", "warning"))
        return reply.action

    def _read(self, action: Action) -> Reading:
        return parse_reply(action.text, known_paths=self.sources.files, finish=action.finish)

    async def _act(self, reading: Reading) -> tuple[str, str]:
        """Do what a reply asks for: why the turn ends, or what the model is told next."""
        match reading:
            case PlainAnswer():
                return DONE, ""
            case Unusable(reason=reason):
                return self._ask_again(reason)
            case ShellCommand(command=command):
                return await self._run(command)
            case FileEdits():
                return await self._edit(reading)

    def _ask_again(self, reason: str) -> tuple[str, str]:
        self.emit(ReplyUnusable(reason))
        self.reasks += 1
        return (REASKED_ENOUGH, "") if self.reasks > _MOST_REASKS else ("", reason)

    async def _edit(self, reading: FileEdits) -> tuple[str, str]:
        """Check all edits, then ask for and apply each; nothing is written if one is refused."""
        for note in reading.notes:
            self.emit(Notice(note))
        checked = [self._checked(edit) for edit in reading.edits]
        if refused := [item for item in checked if isinstance(item, Refused)]:
            return self._ask_again("\n\n".join(self._told(item) for item in refused))
        for edit in checked:
            if isinstance(edit, Accepted) and (problem := await self._apply(edit)):
                return problem, ""
        return await self._run(reading.command) if reading.command else (DONE, "")

    def _checked(self, edit: FileEdit) -> Accepted | Refused:
        before = self.conversation.shown_text(edit.path)
        return check_edit(
            self.sources.root,
            edit,
            before,
            allow_test_edits=self.allow_test_edits,
            may_vanish=frozenset(self.user_text.replace("`", " ").replace(".", " ").split()),
        )

    def _told(self, refused: Refused) -> str:
        """Why an edit was refused; with the file if the model has not seen it as it is."""
        text = self.sources.text(refused.path) if refused.kind == "stale" else None
        if text is None:
            return f"Not written: {refused.reason}."
        self.conversation.mark_shown(refused.path, text)
        return f"Not written: {refused.reason}. This is {refused.path} now:\n{fenced(text, '')}"

    async def _apply(self, edit: Accepted) -> str:
        """Ask and write; empty when it is written, else why the turn ends."""
        diff = unified_diff(edit.path, edit.before, edit.after)
        self.emit(EditProposed(edit.path, diff))
        question = Question(kind="edit", subject=edit.path, detail=diff)
        decision = await self.approver.decide(question)
        if not decision.allowed:
            self.emit(Notice(f"{edit.path} was not written: {decision.reason or DECLINED}"))
            return DECLINED
        await self._snapshot_once()
        try:
            apply_edit(edit)
        except SourceFileError as err:
            self.emit(Notice(str(err), "warning"))
            return str(err)
        self.conversation.mark_shown(edit.path, edit.after)
        self.sources.include(edit.path)
        self.emit(EditApplied(edit.path, diff))
        return ""

    async def _run(self, command: str) -> tuple[str, str]:
        if self.run_command is None:
            return "", "Commands cannot be run here. Answer without running anything."
        decision = await self.approver.decide(Question(kind="command", subject=command))
        if not decision.allowed:
            self.emit(Notice(f"not run: {command} ({decision.reason or DECLINED})"))
            return DECLINED, ""
        self.emit(StageStarted(f"running {command}"))
        try:
            execution = await self.run_command(command)
        except SandboxError as err:
            return f"the sandbox gave no answer: {err}", ""
        digest = command_digest(command, execution)
        self.emit(OutputChunk(digest))
        return "", digest

    async def _snapshot_once(self) -> None:
        if self.snapshot is not None:
            snapshot, self.snapshot = self.snapshot, None
            await asyncio.to_thread(snapshot, f"before: {self.user_text[:60]}")

    def _say(self, role: Role, text: str) -> None:
        self.conversation.append(Message(role=role, content=text))
