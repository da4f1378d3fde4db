"""The scrolling list of entries: only a window of them is mounted, however long the conversation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.geometry import Size
from textual.reactive import Reactive
from textual.widget import Widget
from textual.widgets import Static

from tui.app.messages import HiddenBelow
from tui.app.transcript.block import EntryBlock
from tui.app.transcript.blocks import block_for, search_text
from tui.app.transcript.entries import Entry, SaidEntry

WINDOW = 40
"""Number of entries that are mounted at once; scrolling beyond them moves the window."""
_STEP = 20


class Transcript(VerticalScroll, can_focus=True):
    """Shows entries, follows the end while the reader is there, and finds text in all of them."""

    virtual_size = Reactive(Size(0, 0), repaint=False)  # as in `Drawn`

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("down,j", "scroll_down", "Down", show=False),
        Binding("g,home", "to_start", "To the beginning", show=False),
        Binding("G,end", "to_end", "To the end", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="transcript")
        self.entries: list[Entry] = []
        self._blocks: dict[int, EntryBlock] = {}
        self._first = 0
        """Index of the first mounted entry; they are mounted without gaps from there."""
        self._end = 0
        """Index after the last mounted entry."""
        self._moving = False
        self._told = ""
        self._left_end = False
        """True since the reader scrolled away from the end; else the end is followed, drawn or not yet."""
        self._above = Static("", id="above", markup=False)
        self._below = Static("", id="below", markup=False)

    def compose(self) -> ComposeResult:
        yield self._above
        yield self._below

    def on_mount(self) -> None:
        self._say_what_is_hidden()
        self.anchor()

    async def load(self, entries: Sequence[Entry]) -> None:
        """Replace the conversation; only its last entries are drawn."""
        self.entries = list(entries)
        await self._mount(max(0, len(self.entries) - WINDOW), len(self.entries))
        self.anchor()

    async def add(self, entry: Entry) -> None:
        """Append an entry; a reader who has scrolled up is not moved."""
        self.entries.append(entry)
        if self._end < len(self.entries) - 1:  # the reader looks at an earlier window
            self._say_what_is_hidden()
            if isinstance(entry, SaidEntry):
                await self.action_to_end()
            return
        self._end = len(self.entries)
        await self.mount(self._made(entry), before=self._below)
        if self.is_at_end and self._end - self._first > WINDOW + _STEP:
            await self._drop(self._end - WINDOW)
        if isinstance(entry, SaidEntry):  # who asks wants to see the answer
            await self.action_to_end()
        self.call_after_refresh(self._tell_what_is_below)

    async def grow(self, entry: Entry) -> None:
        """Draw the growth of an entry, if it is mounted."""
        block = self._blocks.get(entry.number)
        if block is not None and block.is_mounted:
            await block.grow()
            self.call_after_refresh(self._tell_what_is_below)

    def anchor(self, anchor: bool = True) -> None:
        """See `Widget.anchor`."""
        super().anchor(anchor)
        self._left_end = not anchor

    def release_anchor(self) -> None:
        """See `Widget.release_anchor`."""
        super().release_anchor()
        self._left_end = True

    @property
    def is_at_end(self) -> bool:
        return self.scroll_offset.y >= self.max_scroll_y - 1

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value != old_value:
            self._reach()
            self._tell_what_is_below()

    def page(self, direction: int) -> None:
        """Scroll by a page; move the window if the page lies beyond it."""
        rows = max(1, self.size.height - 2)
        self.scroll_relative(y=direction * rows, animate=False)
        self._reach()

    def action_page_up(self) -> None:
        self.page(-1)

    def action_page_down(self) -> None:
        self.page(1)

    def _reach(self) -> None:
        """Move the window if the reader has reached its edge."""
        if self._moving:
            return
        if self.scroll_y <= 0 < self._first and self.max_scroll_y > 0:
            self._move(self._earlier)
        elif self._end < len(self.entries) and self.is_at_end:
            self._move(self._later)

    @work(group="window")
    async def _move(self, move: Callable[[], Awaitable[None]]) -> None:
        self._moving = True
        try:
            await move()
        finally:
            self._moving = False

    async def _earlier(self) -> None:
        """Mount earlier entries, and keep the reader at the same place."""
        first = max(0, self._first - _STEP)
        anchor = self._blocks.get(self.entries[self._first].number)
        new = [self._made(entry) for entry in self.entries[first : self._first]]
        self._first = first
        await self.mount_all(new, after=self._above)
        if self._end - first > WINDOW + 2 * _STEP:
            await self._drop_below(first + WINDOW + _STEP)
        self._say_what_is_hidden()
        if anchor is not None:
            self.call_after_refresh(self.scroll_to_widget, anchor, animate=False, top=True)

    async def _later(self) -> None:
        end = min(len(self.entries), self._end + _STEP)
        new = [self._made(entry) for entry in self.entries[self._end : end]]
        self._end = end
        await self.mount_all(new, before=self._below)
        if end - self._first > WINDOW + 2 * _STEP:
            await self._drop(end - WINDOW - _STEP)
        self._say_what_is_hidden()

    async def action_to_start(self) -> None:
        """Show the beginning of the conversation."""
        await self._mount(0, min(WINDOW, len(self.entries)))
        self.scroll_home(animate=False)

    async def action_to_end(self) -> None:
        """Show the end again, and follow it."""
        if self._end < len(self.entries):
            await self._mount(max(0, len(self.entries) - WINDOW), len(self.entries))
        self.anchor()
        self.scroll_end(animate=False)

    def find(self, words: str, *, before: int | None = None) -> int | None:
        """Return the index of the last entry (before index `before`) with these words in any case."""
        wanted = words.casefold()
        end = len(self.entries) if before is None else before
        for index in range(end - 1, -1, -1):
            if wanted in search_text(self.entries[index]):
                return index
        return None

    async def show_entry(self, index: int) -> None:
        """Bring one entry to the screen and mark it."""
        if not self._first <= index < self._end:
            first = max(0, index - WINDOW // 2)
            await self._mount(first, min(len(self.entries), first + WINDOW))
        self.query(".found").remove_class("found")
        block = self._blocks[self.entries[index].number]
        block.add_class("found")
        self.release_anchor()
        self.call_after_refresh(self.scroll_to_widget, block, animate=False, top=True)

    def last(self, kind: type[Entry]) -> Entry | None:
        """Return the latest entry of a kind."""
        return next((entry for entry in reversed(self.entries) if isinstance(entry, kind)), None)

    def block_of(self, entry: Entry) -> EntryBlock | None:
        """Return the widget of an entry, if it is mounted."""
        return self._blocks.get(entry.number)

    async def _mount(self, first: int, end: int) -> None:
        """Mount exactly the entries from `first` to before `end`."""
        old = list(self._blocks.values())
        self._blocks.clear()
        self._first, self._end = first, end
        new = [self._made(entry) for entry in self.entries[first:end]]
        with self.app.batch_update():
            await self._removed(old)
            await self.mount_all(new, before=self._below)
        self._say_what_is_hidden()

    async def _drop(self, first: int) -> None:
        gone = self.entries[self._first : first]
        self._first = first
        await self._removed(self._taken(gone))
        self._say_what_is_hidden()

    async def _drop_below(self, end: int) -> None:
        gone = self.entries[end : self._end]
        self._end = end
        await self._removed(self._taken(gone))

    def _taken(self, entries: Iterable[Entry]) -> list[EntryBlock]:
        return [self._blocks.pop(entry.number) for entry in entries if entry.number in self._blocks]

    async def _removed(self, blocks: Sequence[Widget]) -> None:
        if blocks:
            await self.remove_children(blocks)

    def _made(self, entry: Entry) -> EntryBlock:
        block = block_for(entry)
        self._blocks[entry.number] = block
        return block

    def _tell_what_is_below(self) -> None:
        """Tell the column what is out of sight below, when that has changed."""
        entries, rows = len(self.entries) - self._end, round(self.max_scroll_y - self.scroll_y)
        self._left_end = self._left_end and not self.is_at_end
        words = f"{rows} lines below" if self._left_end else ""
        words = f"{entries} entries below" if entries else words
        if words != self._told:
            self._told = words
            self.post_message(HiddenBelow(words))

    def _say_what_is_hidden(self) -> None:
        below = len(self.entries) - self._end
        self._above.update(f"{self._first} earlier entries: scroll up" if self._first else "")
        self._above.display = bool(self._first)
        self._below.update(f"{below} later entries: press End" if below else "")
        self._below.display = bool(below)
