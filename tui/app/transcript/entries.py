"""A conversation as a list of entries, without any widget.

Live events are folded into entries; a session file gives the same entries. The texts are not
display-safe yet: `blocks` does that when it draws an entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from agent.events import (
    AttemptStarted,
    EditApplied,
    EditProposed,
    Event,
    ExperienceRecorded,
    FixFinished,
    LearnFinished,
    LearnStep,
    OutputChunk,
    PlacesRanked,
    Progress,
    RankedPlace,
    ReplyFinished,
    StageStarted,
    TestFinished,
    TestsFinished,
    TextDelta,
    TurnFinished,
)

_numbers = count()
MOST_OUTPUT = 60_000
"""Characters of one command's output that are kept: its head and its tail."""
_HEAD = 10_000


@dataclass(slots=True, kw_only=True)
class _NumberedEntry:
    number: int = field(default_factory=lambda: next(_numbers))


@dataclass(slots=True)
class SaidEntry(_NumberedEntry):
    """A line that the person typed."""

    text: str


@dataclass(slots=True)
class ReplyEntry(_NumberedEntry):
    """A reply of the model; grows while it streams."""

    text: str = ""
    finished: ReplyFinished | None = None


@dataclass(slots=True)
class OutputEntry(_NumberedEntry):
    """The output of a command; grows while the command runs."""

    title: str
    text: str = ""
    cut: int = 0
    """Characters that were dropped from the middle."""
    ended: bool = False

    def add(self, text: str) -> None:
        """Append text, but keep only the head and the tail; the cost does not grow with the output."""
        self.text += text
        if len(self.text) > 2 * MOST_OUTPUT or (self.cut and len(self.text) > MOST_OUTPUT):
            self.cut += len(self.text) - MOST_OUTPUT
            tail = MOST_OUTPUT - _HEAD
            self.text = self.text[:_HEAD] + self.text[-tail:]

    @property
    def shown(self) -> str:
        """The kept text, with a counted gap where characters were dropped."""
        if not self.cut:
            return self.text
        return f"{self.text[:_HEAD]}\n[... {self.cut} characters cut ...]\n{self.text[_HEAD:]}"


@dataclass(slots=True)
class ChangeEntry(_NumberedEntry):
    """A unified diff: of one written file, or of everything since the beginning."""

    title: str
    diff: str


@dataclass(slots=True)
class TestsEntry(_NumberedEntry):
    """The outcome of a test run."""

    __test__ = False

    event: TestsFinished
    looks_at: dict[str, tuple[RankedPlace, ...]] = field(default_factory=dict)
    """Places that are probably at fault, by red test; grows when a repair begins."""


@dataclass(slots=True)
class EventEntry(_NumberedEntry):
    """Any other event; drawn by the code that the line loop uses."""

    event: Event


@dataclass(slots=True)
class AnswerEntry(_NumberedEntry):
    """The app's own answer to a command, as plain text."""

    text: str


@dataclass(slots=True)
class FailureEntry(_NumberedEntry):
    """A failure with its message; `can_retry` if a new start may help."""

    text: str
    can_retry: bool = False


Entry = (
    SaidEntry
    | ReplyEntry
    | OutputEntry
    | ChangeEntry
    | TestsEntry
    | EventEntry
    | AnswerEntry
    | FailureEntry
)


class EventFold:
    """Turns events into entries; a growing entry is returned again after each growth."""

    def __init__(self) -> None:
        self._reply: ReplyEntry | None = None
        self._output: OutputEntry | None = None
        self._tests: TestsEntry | None = None
        self._title = "output"
        self.ended: list[OutputEntry] = []
        """Outputs that have ended since the caller last cleared this list."""

    def add(self, event: Event) -> Entry | None:
        """Return the entry that this event made or changed; None if only the status shows the event."""
        match event:
            case TextDelta(text):
                self._end_output()
                self._reply = self._reply or ReplyEntry()
                self._reply.text += text
                return self._reply
            case ReplyFinished():
                reply, self._reply = self._reply or ReplyEntry(event.text), None
                reply.finished = event
                return reply
            case OutputChunk(text):
                self._output = self._output or OutputEntry(self._title)
                self._output.add(text)
                return self._output
            case StageStarted(text):
                self._end_output()
                self._title = text
                return None
            case PlacesRanked(places, test_id) if (tests := self._with_red(test_id)) is not None:
                self._end_output()
                tests.looks_at[test_id] = places
                return tests
            case _:
                self._end_output()
                entry = _entry_of(event)
                self._tests = entry if isinstance(entry, TestsEntry) else self._tests
                return entry

    def end(self) -> Sequence[Entry]:
        """Close and return the entries that still grow, e.g. after an interrupt."""
        open_ones = [entry for entry in (self._reply, self._output) if entry is not None]
        self._end_output()
        self._reply = None
        return open_ones

    def _with_red(self, test_id: str) -> TestsEntry | None:
        """Return the last test run, if that test was red in it."""
        tests = self._tests
        red = tests.event.report.red if tests is not None else ()
        return tests if any(result.id == test_id for result in red) else None

    def _end_output(self) -> None:
        if self._output is not None:
            self._output.ended = True
            self.ended.append(self._output)
            self._output = None


def _entry_of(event: Event) -> Entry | None:
    match event:
        case EditApplied(path, diff):
            return ChangeEntry(f"changed: {path}", diff)
        case TestsFinished():
            return TestsEntry(event)
        case Progress() | TestFinished() | ExperienceRecorded() | LearnStep() | EditProposed():
            return None
        case TurnFinished(reason) if reason == "done":
            return None
        case AttemptStarted() | FixFinished() | LearnFinished() | TurnFinished() | _:
            return EventEntry(event)


def source_of(entry: Entry) -> str:
    """Return the text of an entry, for search and copying."""
    match entry:
        case SaidEntry(text) | AnswerEntry(text) | FailureEntry(text):
            return text
        case ReplyEntry(text):
            return text
        case OutputEntry():
            return entry.shown
        case ChangeEntry(title, diff):
            return f"{title}\n{diff}"
        case TestsEntry(event):
            red = [f"{result.id}: {result.message}" for result in event.report.red]
            looks = [place.label for places in entry.looks_at.values() for place in places]
            return "\n".join([*red, *looks, event.report.output[-2000:]])
        case EventEntry(event):
            return _words(event)


def _words(event: Event) -> str:
    """Return the sentence of an event, for the search; empty if the event has none."""
    for name in ("text", "reason", "test_id"):
        value = getattr(event, name, None)
        if isinstance(value, str):
            return value
    return ""
