"""Growing Markdown: finished parts are never drawn again."""

from __future__ import annotations

import re

from textual.strip import Strip

from tui.app.transcript.drawn import Drawn
from tui.show.render import render_markdown

_FENCE = re.compile(r"`{3,}|~{3,}")
_GOES_ON = re.compile(r"[ \t]|[-+*] |\d+[.)] ")
"""Beginning of a line that may go on a part after a blank line: indentation, or a list."""
_LONGEST_PART = 4000
"""A part longer than this ends even within a list."""


class GrowingMarkdown(Drawn):
    """Parses and draws only the part after the last finished one when text is added."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._text = text
        self._settled = 0
        """Number of characters in finished parts."""
        self._finished: list[Strip] = []

    def show(self, text: str) -> None:
        """Show this text, which begins with the text shown before."""
        self._text = text
        if not self._width:  # not laid out yet
            self.refresh(layout=True)
            return
        height, first = len(self._lines), len(self._finished)
        self._lines = self._grown(self._width)
        self.changed_from(first, height=height)

    def drawn(self, width: int) -> list[Strip]:
        self._settled, self._finished = 0, []
        return self._grown(width)

    def _grown(self, width: int) -> list[Strip]:
        while end := settled(self._text, self._settled):
            self._finished += self._part(self._text[self._settled : end], width)
            self._settled = end
        return [*self._finished, *self._part(self._text[self._settled :], width)]

    def _part(self, text: str, width: int) -> list[Strip]:
        """Draw one part, with a blank line above unless it is the first."""
        lines = self._strips(render_markdown(text), width) if text.strip() else []
        shown = [number for number, line in enumerate(lines) if line.text.strip()]
        if not shown:
            return []
        between = [Strip([])] if self._finished else []
        return [*between, *lines[shown[0] : shown[-1] + 1]]


def settled(text: str, start: int) -> int:
    """Find the end of the part that begins at `start`; 0 if the part is not finished yet.

    A part ends before a line after a blank one, outside of a fence, that is neither indented nor in a list.
    """
    fence = ""
    blank = False
    at = start
    while (end := text.find("\n", at)) >= 0:
        line = text[at:end].strip()
        if line and blank and (at - start > _LONGEST_PART or not _GOES_ON.match(text, at)):
            return at
        if fence:
            fence = "" if line.startswith(fence) and not line.strip(fence[0]) else fence
        elif found := _FENCE.match(line):
            fence = found[0]
        blank = not line and not fence and at > start
        at = end + 1
    return 0
