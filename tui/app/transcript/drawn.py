"""Text that is drawn once for each width and kept as lines; the text can be selected."""

from __future__ import annotations

from itertools import chain

from rich.console import RenderableType
from rich.segment import Segment
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget


class Drawn(Widget):
    """Shows a rich renderable, which `Static` would draw twice: once to measure it, once to show it.

    Its lines are its own, so that a subclass can keep those that do not change any more.
    """

    DEFAULT_CSS = "Drawn { height: auto; }"
    virtual_size = Reactive(Size(0, 0), repaint=False)
    """Draw as `Widget` does, but without its second layout after each change of the height."""

    def __init__(self, body: RenderableType = "", *, classes: str = "") -> None:
        super().__init__(classes=classes)
        self._body = body
        self._width = 0
        """The width for which `_lines` were drawn; 0 before the first drawing."""
        self._lines: list[Strip] = []

    def update(self, body: RenderableType) -> None:
        """Replace the content."""
        self._body = body
        self._width = 0
        self.refresh(layout=True)

    def drawn(self, width: int) -> list[Strip]:
        """Draw all lines at this width."""
        return list(self._strips(self._body, width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._at(width))

    def render_line(self, y: int) -> Strip:
        lines = self._at(self.content_size.width)
        style = self.visual_style.rich_style
        if y >= len(lines):
            return Strip.blank(self.content_size.width, style)
        line = lines[y].apply_style(style)
        if (selection := self.text_selection) and (span := selection.get_span(y)) is not None:
            line = self._selected(line, *span)
        return line.apply_offsets(0, y)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the selected text, without the blanks that fill a line."""
        text = "\n".join(line.text.rstrip() for line in self._at(self.content_size.width))
        return selection.extract(text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    def _selected(self, line: Strip, start: int, end: int) -> Strip:
        end = line.cell_length if end < 0 else min(end, line.cell_length)
        style = self.screen.get_component_rich_style("screen--selection")
        before, selected, after = line.divide([start, end, line.cell_length])[:3]
        marked = Segment.apply_style(selected, post_style=style)
        return Strip(chain(before, marked, after), line.cell_length)

    def _at(self, width: int) -> list[Strip]:
        if width and width != self._width:
            self._width = width
            self._lines = self.drawn(width)
        return self._lines

    def _strips(self, body: RenderableType, width: int) -> list[Strip]:
        options = self.app.console_options.update(width=width, height=None, highlight=False)
        segments = self.app.console.render(body, options)
        lines = Segment.split_and_crop_lines(segments, width, include_new_lines=False, pad=False)
        return [Strip(line) for line in lines]

    def changed_from(self, y: int, *, height: int) -> None:
        """Redraw from line `y` on; `height` is the number of lines before the change."""
        if len(self._lines) == height:
            width = self.content_size.width
            self.refresh(Region(0, y, width, height - y))
        else:
            self.refresh(layout=True)
