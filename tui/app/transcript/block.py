"""The widgets on which all blocks of the transcript rest: one that grows, one that also folds."""

from __future__ import annotations

from typing import ClassVar

from rich.console import RenderableType
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Size
from textual.reactive import Reactive

from tui.app.transcript.drawn import Drawn
from tui.app.transcript.entries import Entry


class EntryBlock(Vertical):
    """The widget of one entry; grows with its entry."""

    virtual_size = Reactive(Size(0, 0), repaint=False)  # as in `Drawn`

    def __init__(self, entry: Entry, *, classes: str = "") -> None:
        super().__init__(classes=f"block {classes}".strip())
        self.entry = entry

    async def grow(self) -> None:
        """Show what was added to the entry since the last time."""


class FoldableBlock(EntryBlock, can_focus=True):
    """Long text that opens and closes with Enter or a click."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "fold", "Open or close", show=False)
    ]

    def __init__(self, entry: Entry, *, classes: str) -> None:
        super().__init__(entry, classes=classes)
        self.unfolded = False
        self._body = Drawn()

    def compose(self) -> ComposeResult:
        yield self._body

    def on_mount(self) -> None:
        self.draw()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        if not self.screen.get_selected_text():  # a click that ends a selection does not fold
            self.action_fold()

    def action_fold(self) -> None:
        """Open the block, or close it again."""
        self.unfolded = not self.unfolded
        self.draw()

    async def grow(self) -> None:
        self.draw()

    def draw(self) -> None:
        self._body.update(self.content())

    def content(self) -> RenderableType:
        """Return the text for the present state: open or closed."""
        raise NotImplementedError
