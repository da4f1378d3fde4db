"""The conversation of one session: its settings applied to turns, its history kept on disk."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.approval import Approver
from agent.contexts.notes import note_maker
from agent.events import Event
from agent.intent.wanted import Wanted
from agent.model.protocol import Model
from agent.prompt_files import Name
from agent.session.context import Context
from agent.session.rewinding import rewound_record
from agent.settings.schema import Settings
from agent.turn.best import Checkpoints
from agent.turn.commands import RunTests
from agent.turn.conversation import Conversation
from agent.turn.loop import Background, RunCommand, run_turn
from agent.turn.steps import TurnRecorder
from agent.turn.tools import Explain
from learning.experience.redact import redact
from learning.records import Message

_LARGE_BILLIONS = 14.0
_SIZE = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)\s?b(?![A-Za-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The conversation that a session file holds."""

    messages: tuple[Message, ...] = ()
    requests: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """The tools of a turn; each is opened by whoever owns it."""

    files: Sequence[str]
    model: Model
    approver: Approver
    checkpoints: Checkpoints
    run_command: RunCommand
    run_tests: RunTests
    recorder: TurnRecorder | None = None
    explain: Explain | None = None
    wanted: Wanted | None = None
    facts: str = ""
    begun: str = ""
    """The beginning of the first reply; the model writes the rest."""


@dataclass(kw_only=True)
class Talk:
    """Turns in one repository, with every message written down as it comes."""

    root: Path
    write: Callable[[Mapping[str, object]], None]
    """Appends a record to the session file."""
    background: Background = field(default_factory=Background)
    _logged: Conversation | None = None

    async def turn(
        self,
        conversation: Conversation,
        text: str,
        settings: Settings,
        means: Means,
        *,
        goes_on: bool = False,
        asked: str | None = None,
    ) -> AsyncIterator[Event]:
        """Answer one request; see `run_turn`. `goes_on` is true for one that the person did not write.

        `asked` is what the person wrote, where `text` is a step of a plan for it; empty from the second on.

        Raises:
            ModelError: If the model gives no answer.
            WorkspaceError: If a state of the files cannot be recorded.
        """
        self.attach(conversation)
        began = "turn_continued" if goes_on else "turn_started"
        self.write({"event": began, "text": redact(asked or text)})
        async for event in run_turn(
            conversation,
            text,
            root=self.root,
            files=means.files,
            model=means.model,
            approver=means.approver,
            run_command=means.run_command,
            run_tests=means.run_tests,
            limits=settings.turn,
            temperature=settings.model.temperature,
            checkpoints=means.checkpoints,
            background=self.background,
            system=system_prompt(settings),
            recorder=means.recorder,
            explain=means.explain,
            wanted=means.wanted,
            facts=means.facts,
            asked=asked,
            begun=means.begun,
        ):
            yield event

    def rewind(
        self,
        conversation: Conversation,
        records: Callable[[], Iterable[Mapping[str, object]]],
        number: int,
    ) -> int:
        """Take the conversation back to before a turn, also in the session file; counts the messages.

        `records` reads that file.
        """
        self.attach(conversation)
        self.write(rewound_record(number))
        self.background.mapped_for = None
        return self.resume(conversation, records())

    def resume(self, conversation: Conversation, records: Iterable[Mapping[str, object]]) -> int:
        """Go on with what a session file holds; counts the messages."""
        self.attach(conversation)
        history = history_of(records)
        conversation.restore(history.messages, requests=history.requests, summary=history.summary)
        return len(history.messages)

    def attach(self, conversation: Conversation) -> None:
        """Write down what is said in this conversation; another one began anew."""
        if conversation is self._logged:
            return
        if self._logged is not None:
            self.write({"event": "conversation_cleared"})
            self.background.mapped_for = None
        self._logged = conversation
        conversation.listen(self._said, self._compacted)

    def _said(self, message: Message) -> None:
        self.write({"event": "message", "role": message.role, "content": redact(message.content)})

    def _compacted(self, summary: str) -> None:
        # Written between the messages before and after it; the event reaches the file later.
        self.write({"event": "history_compacted", "summary": redact(summary)})


def history_of(records: Iterable[Mapping[str, object]]) -> History:
    """The conversation as it stood at the end of a session; other records are passed over."""
    messages: list[Message] = []
    requests: list[str] = []
    summary = ""
    before: list[History] = []
    for record in records:
        match record:
            case {"event": "step_began"}:
                before.append(
                    History(messages=tuple(messages), requests=tuple(requests), summary=summary)
                )
            case {"event": "rewound", "to": int(number)} if 1 <= number <= len(before):
                then = before[number - 1]
                del before[number - 1 :]
                messages, requests = list(then.messages), list(then.requests)
                summary = then.summary
            case {
                "event": "message",
                "role": "system" | "user" | "assistant" as role,
                "content": str(text),
            }:
                messages.append(Message(role=role, content=text))
                summary = summary if role == "system" else ""
            case {"event": "turn_started", "text": str(text)}:
                requests.append(text)
            case {"event": "history_compacted", "summary": str(text)}:
                messages.clear()
                summary = text
            case {"event": "conversation_cleared"}:
                messages.clear()
                requests.clear()
                summary = ""
    return History(messages=tuple(messages), requests=tuple(requests), summary=summary)


def system_prompt(settings: Settings) -> Name:
    """The system prompt for the edit format of the model: `auto` goes by the size in its name."""
    chosen = settings.model.edit_format
    if chosen == "auto":
        chosen = "search_replace" if _billions(settings.model.name) >= _LARGE_BILLIONS else "whole"
    return "system_search_replace" if chosen == "search_replace" else "system"


def _billions(name: str) -> float:
    """The parameters that a model's name tells, in billions; 0 if it does not."""
    return max((float(size) for size in _SIZE.findall(name.replace("-", " "))), default=0.0)


def background_of(context: Context) -> Background:
    """Collect the words of a turn besides the files; notes on libraries where the settings ask for them."""
    if not context.settings.agent.notes:
        return Background(instructions=context.instructions)
    notes = note_maker(context.repository.contexts)
    return Background(instructions=context.instructions, notes=notes)
