"""Markdown that grows: what is finished is never drawn again."""

from __future__ import annotations

import re

from textual.strip import Strip

from tui.app.transcript.drawn import Drawn
from tui.render import render_markdown

_FENCE = re.compile(r"`{3,}|~{3,}")
_GOES_ON = re.compile(r"[ \t]|[-+*] |\d+[.)] ")
"""How a line begins that may belong to what stood before a blank line: indented, or a list."""
_LONGEST_PART = 4000
"""So long a part ends even where its list goes on."""


class GrowingMarkdown(Drawn):
    """Only the part after the last finished one is parsed and drawn when text is added."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._text = text
        self._settled = 0
        """Characters that stand in finished parts."""
        self._finished: list[Strip] = []

    def show(self, text: str) -> None:
        """Show this text, which begins with the one before."""
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
        """The lines of one part, with one blank line before it if another stands there."""
        lines = self._strips(render_markdown(text), width) if text.strip() else []
        shown = [number for number, line in enumerate(lines) if line.text.strip()]
        if not shown:
            return []
        between = [Strip([])] if self._finished else []
        return [*between, *lines[shown[0] : shown[-1] + 1]]


def settled(text: str, start: int) -> int:
    """Where a part that begins at `start` ends: before a line that begins something new; 0 if none.

    That is a whole line after a blank one, outside of a fence, neither indented nor of a list.
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
