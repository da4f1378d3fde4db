"""All messages that the widgets and the work behind the screen post to the app.

A message is a past event or a request. Its sender knows nothing of the app; the app decides which
widgets show the message and what follows.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.approval import Question
    from tui.app.status import StatusFields
    from tui.app.transcript.entries import Entry

    Post = Callable[[Message], object]

# Requests of the person


@dataclass
class LineSent(Message):
    """The person sent a line with Enter, or chose a command in the palette."""

    text: str


@dataclass
class PageWanted(Message):
    """Scroll the transcript by one page, without leaving the prompt."""

    direction: int


@dataclass
class EndWanted(Message):
    """Go to the end of the transcript and follow it, without leaving the prompt."""


@dataclass
class HiddenBelow(Message):
    """Other rows or entries lie below what the transcript shows."""

    words: str
    """Their number in words; empty if there are none."""


@dataclass
class CodeWanted(Message):
    """Open the editor at a line; the file comes from the code under test and is not trusted."""

    file: str
    line: int


@dataclass
class SearchWanted(Message):
    """Find the last entry with these words, before the entry of that index if there is one."""

    words: str
    before: int | None


class SearchClosed(Message):
    """The person has closed the search line."""


class RetryWanted(Message):
    """Start the model and the sandbox anew, and repeat the last job."""


class HelpWanted(Message):
    """Show all keys and commands."""


class LeaveWanted(Message):
    """End the app."""


# The conversation


@dataclass
class EntryMade(Message):
    """The conversation has a new entry."""

    entry: Entry


class ConversationCleared(Message):
    """The conversation begins anew with nothing on the screen."""


@dataclass
class HintGiven(Message):
    """Show a sentence for a moment, outside of the conversation."""

    text: str


# The work behind the screen


@dataclass
class JobBegan(Message):
    """A job has begun; `waiting` others stand in the queue."""

    title: str
    waiting: int


@dataclass
class JobStaged(Message):
    """The running job has reached another stage."""

    stage: str


@dataclass
class JobAdvanced(Message):
    """The running job has advanced; only the latest message of a burst is handled."""

    detail: str

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, JobAdvanced)


@dataclass
class JobEnded(Message):
    """The running job has ended; `waiting` others stand in the queue."""

    waiting: int


@dataclass
class LongJobEnded(Message):
    """A job that took long has ended, so that the person may look elsewhere."""

    text: str


@dataclass
class QueueChanged(Message):
    """Says how many jobs wait for the running one."""

    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAnswer:
    """The person's answer to a question of the agent."""

    allowed: bool
    reason: str = ""
    instead: str = ""
    """The person's own words on what to do instead."""
    rest: bool = False
    """True if the same answer holds for all edits of this turn."""
    kept: frozenset[int] | None = None
    """The parts of an edit that may be written; None for all of it."""


@dataclass
class QuestionAsked(Message):
    """The agent asks the person; `answered` is cancelled when the job is stopped."""

    question: Question
    answered: asyncio.Future[ApprovalAnswer]


@dataclass
class StatusChanged(Message):
    """The fields of the status line have changed."""

    fields: StatusFields


class AdapterPromoted(Message):
    """A learning round has put another adapter to use."""


class LearningChanged(Message):
    """The state of the learner has changed."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, LearningChanged)
