"""Follows the running job: turns its events into entries, stages and fields of the status line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.events import (
    EditApplied,
    Event,
    ExperienceRecorded,
    FixFinished,
    Progress,
    ReplyFinished,
    StageStarted,
    TestFinished,
    TestsFinished,
    TextDelta,
)
from agent.stages import PREPARING_SANDBOX, SANDBOX_READY
from tui.app.messages import EntryMade, JobAdvanced, JobStaged, LearningChanged, StatusChanged
from tui.app.transcript.entries import Entry, EventFold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.app.learner.state import LearningState
    from tui.app.messages import Post
    from tui.app.status import StatusFields

_SANDBOX_STATES = {PREPARING_SANDBOX: "preparing", SANDBOX_READY: "ready"}


class StatusKeeper:
    """Holds the fields of the status line for all objects that change them."""

    def __init__(self, fields: StatusFields, post: Post) -> None:
        self.fields = fields
        self._post = post

    def show(self, fields: StatusFields) -> None:
        """Take other fields, and post them if they differ."""
        if fields != self.fields:
            self.fields = fields
            self._post(StatusChanged(fields))


class JobProgress:
    """Turns the events of one job into messages; grown entries wait here until they are drawn."""

    def __init__(self, status: StatusKeeper, learning: LearningState, post: Post) -> None:
        self._status = status
        self._learning = learning
        self._post = post
        self._fold = EventFold()
        self._grown: dict[int, Entry] = {}
        self._made: set[int] = set()
        self._answering = False
        self._passed = self._red = 0
        self.files_changed = False
        """True if the job may have changed files of the repository."""

    def begin(self) -> None:
        """Reset everything for a new job."""
        self._fold = EventFold()
        self._made.clear()
        self._answering = False
        self.files_changed = False

    def take(self, event: Event) -> None:
        """Take one event: post the entry it makes, or keep the entry it makes longer."""
        self._note(event)
        self._answering = isinstance(event, TextDelta)
        self.files_changed |= isinstance(event, (EditApplied, FixFinished))
        entry = self._fold.add(event)
        self._take_ended()
        if entry is None:
            return
        if entry.number in self._made:
            self._grown[entry.number] = entry
        else:
            self._made.add(entry.number)
            self._post(EntryMade(entry))

    def end(self) -> None:
        """Close entries that still grow, e.g. after an interrupt."""
        for entry in self._fold.end():
            self._grown[entry.number] = entry
        self._take_ended()
        if self._status.fields.sandbox == "preparing":
            self._sandbox("not there")

    @property
    def has_grown(self) -> bool:
        return bool(self._grown)

    def take_grown(self) -> Sequence[Entry]:
        """The entries that have grown since the last call."""
        grown, self._grown = self._grown, {}
        return list(grown.values())

    def lose_sandbox(self) -> None:
        """Note that the sandbox died."""
        self._sandbox("lost")

    def _take_ended(self) -> None:
        """Draw ended outputs once more, because an output shows that it has ended."""
        self._grown |= {entry.number: entry for entry in self._fold.ended}
        self._fold.ended.clear()

    def _note(self, event: Event) -> None:
        match event:
            case StageStarted(text):
                self._passed = self._red = 0
                self._post(JobStaged(text))
                self._note_sandbox(text)
            case Progress():
                self._post(JobAdvanced(_words(event)))
            case TestFinished() | TestsFinished():
                self._note_tests(event)
            case TextDelta():
                if not self._answering:  # one message for all words of a reply
                    self._post(JobStaged("answering"))
            case ReplyFinished():
                self._status.show(self._status.fields.after(event))
            case ExperienceRecorded():
                self._learning.take(event)
                self._post(LearningChanged())

    def _note_tests(self, event: TestFinished | TestsFinished) -> None:
        if isinstance(event, TestFinished):
            self._passed += not event.result.outcome.is_red
            self._red += event.result.outcome.is_red
            self._post(JobAdvanced(f"{self._passed} passed, {self._red} red"))
        self._sandbox("ready")

    def _note_sandbox(self, stage: str) -> None:
        if stage in _SANDBOX_STATES:
            self._sandbox(_SANDBOX_STATES[stage])

    def _sandbox(self, state: str) -> None:
        self._status.show(replace(self._status.fields, sandbox=state))


def _words(event: Progress) -> str:
    from agent.text import format_seconds
    from tui.show.plain import amount

    total = f" of {amount(event.total, event.unit)}" if event.total else ""
    left = f", {format_seconds(event.eta_s)} left" if event.eta_s is not None else ""
    return f"{amount(event.done, event.unit)}{total}{left}"
