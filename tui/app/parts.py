"""The parts of a change, each marked to be written or left out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from tui.diffs import DiffHunk, draw_hunk


class HunkChoice(Static):
    """One hunk with a line that says whether it will be written; never by colour alone."""

    def __init__(self, hunk: DiffHunk, *, number: int, total: int) -> None:
        super().__init__(classes="part", markup=False)
        self._hunk = hunk
        self._name = f"part {number + 1} of {total}"
        self.kept = True

    def draw(self, *, is_current: bool, columns: int) -> None:
        hunk = self._hunk
        cursor = ">" if is_current else " "
        state = "will be written" if self.kept else "left out"
        mark = "[x]" if self.kept else "[ ]"
        counts = f"line {hunk.new_start}, +{hunk.added} -{hunk.removed}"
        head = Text(f"{cursor} {mark} {self._name}: {state} ({counts})", "bold")
        self.set_class(not self.kept, "left-out")
        self.update(Group(head, draw_hunk(hunk, columns=columns)))


class HunkList(VerticalScroll, can_focus=False):
    """All parts of one file; one of them is current."""

    def __init__(self, hunks: Sequence[DiffHunk]) -> None:
        super().__init__(id="parts")
        total = len(hunks)
        self._parts = [HunkChoice(hunk, number=n, total=total) for n, hunk in enumerate(hunks)]
        self.at = 0
        """The current part, counted from 0."""

    def compose(self) -> ComposeResult:
        yield from self._parts

    def on_mount(self) -> None:
        self.draw()

    @property
    def kept(self) -> frozenset[int]:
        """Which parts will be written, counted from 0."""
        return frozenset(number for number, part in enumerate(self._parts) if part.kept)

    @property
    def total(self) -> int:
        return len(self._parts)

    def draw(self) -> None:
        """Draw every part for the width that there is now."""
        for number in range(len(self._parts)):
            self._draw(number)

    def _draw(self, number: int) -> None:
        self._parts[number].draw(is_current=number == self.at, columns=self.app.size.width)

    def toggle(self) -> None:
        """Leave the current part out, or take it in again."""
        part = self._parts[self.at]
        part.kept = not part.kept
        self._draw(self.at)

    def go(self, direction: int) -> None:
        """To the next part (1) or the one before (-1); first through the rest of a long one."""
        region, seen = self._parts[self.at].virtual_region, self.scrollable_content_region
        top = round(self.scroll_target_y)
        hidden = region.bottom > top + seen.height if direction > 0 else region.y < top
        if hidden and region.height > seen.height:
            self.scroll_relative(y=direction * max(1, seen.height - 2), animate=False)
            return
        before = self.at
        self.at = min(max(0, before + direction), len(self._parts) - 1)
        self._draw(before)
        self._draw(self.at)
        self.scroll_to_widget(self._parts[self.at], animate=False, top=direction > 0)
