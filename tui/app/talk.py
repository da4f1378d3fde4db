"""The conversation's column: transcript, activity, search and prompt, and the messages between them.

Growing text is drawn as often as a fixed share of one core allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import Static

from tui.app import messages as told
from tui.app.backstage.progress import JobProgress
from tui.app.overlay import SearchBar
from tui.app.prompt import PromptBox
from tui.app.status import ActivityLine
from tui.app.transcript.block import FoldableBlock
from tui.app.transcript.entries import Entry, OutputEntry
from tui.app.transcript.window import Transcript

_TICK_S = 1 / 12
"""Shortest time between two drawings of growing text; all words of that time are drawn together."""
_SHARE = 1 / 8
"""The part of a core that drawing may take."""
_LONGEST_S = 0.5


class TalkColumn(Vertical):
    """Shows new and growing entries of the conversation, and the running job."""

    def __init__(
        self, prompt: PromptBox, *, earlier: Sequence[Entry], progress: JobProgress
    ) -> None:
        super().__init__(id="talk")
        self._earlier = earlier
        self._progress = progress
        self._pace = DrawingPace()
        self._ticks: Timer | None = None
        self.transcript = Transcript()
        self.below = Static("", id="hidden", markup=False)
        self.below.display = False
        self.activity = ActivityLine()
        self.search = SearchBar()
        self.prompt = prompt

    def compose(self) -> ComposeResult:
        yield self.transcript
        yield self.below
        yield self.activity
        yield self.search
        yield self.prompt

    async def on_mount(self) -> None:
        self._ticks = self.set_interval(_TICK_S, self._tick, pause=True)
        await self.transcript.load(self._earlier)

    def fold_last(self) -> None:
        """Open or close the last output of a command."""
        for entry in reversed(self.transcript.entries):
            block = self.transcript.block_of(entry)
            if isinstance(block, FoldableBlock) and isinstance(entry, OutputEntry):
                block.action_fold()
                return

    @on(told.EntryMade)
    async def _add(self, event: told.EntryMade) -> None:
        event.stop()
        await self.transcript.add(event.entry)

    @on(told.ConversationCleared)
    async def _clear(self) -> None:
        await self.transcript.load([])

    @on(told.PageWanted)
    def _page(self, event: told.PageWanted) -> None:
        self.transcript.page(event.direction)

    @on(told.EndWanted)
    async def _to_end(self) -> None:
        await self.transcript.action_to_end()

    @on(told.HiddenBelow)
    def _mark_what_is_below(self, event: told.HiddenBelow) -> None:
        event.stop()
        self.below.update(f"{event.words}: End goes there")
        self.below.display = bool(event.words)

    @on(told.SearchWanted)
    async def _search(self, event: told.SearchWanted) -> None:
        found = self.transcript.find(event.words, before=event.before)
        if found is None:
            self.notify(f"not found{' before that' * (event.before is not None)}", markup=False)
        else:
            await self.transcript.show_entry(found)
        self.search.found = found

    @on(told.SearchClosed)
    def _close_search(self) -> None:
        self.prompt.area.focus()

    @on(told.JobBegan)
    def _begin_job(self, event: told.JobBegan) -> None:
        self.activity.begin(event.title)
        self.activity.queued(event.waiting)
        self._pace.begin()
        if self._ticks is not None:
            self._ticks.resume()

    @on(told.JobStaged)
    def _stage_job(self, event: told.JobStaged) -> None:
        self.activity.stage(event.stage)

    @on(told.JobAdvanced)
    def _advance_job(self, event: told.JobAdvanced) -> None:
        event.stop()
        self.activity.detail(event.detail)

    @on(told.QueueChanged)
    def _queue(self, event: told.QueueChanged) -> None:
        self.activity.queued(event.waiting)

    @on(told.JobEnded)
    async def _end_job(self, event: told.JobEnded) -> None:
        await self._draw_grown()
        if self._ticks is not None and not event.waiting:
            self._ticks.pause()
        self.activity.end()

    async def _tick(self) -> None:
        self.activity.draw()
        if self._progress.has_grown and self._pace.is_due():
            await self._draw_grown()

    async def _draw_grown(self) -> None:
        for entry in self._progress.take_grown():
            await self.transcript.grow(entry)


class DrawingPace:
    """Allows a drawing when those before took no more than their share of the time.

    All processor time of this thread counts, since most of a drawing's cost arises later, in layout
    and compositing. A slow machine so gets fewer frames, not a busier processor.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock = clock
        self._used = used
        self._next_at = 0.0
        self._used_before = used()

    def begin(self) -> None:
        """Do not count the processor time that was used until now."""
        self._used_before = self._used()

    def is_due(self) -> bool:
        """True if the caller shall draw now."""
        now, used = self._clock(), self._used()
        if now < self._next_at:
            return False
        self._next_at = now + min(_LONGEST_S, (used - self._used_before) / _SHARE)
        self._used_before = used
        return True
