"""Keeps the names of tests that must fail out of everything that a person or a model is shown.

Whoever knows them could let them fail and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

_INSTEAD = "a hidden check"
_MOST_HELD = 64 * 1024


def without_names(text: str, words: Collection[str]) -> str:
    """Return the text with something else in the place of each name that has such a word in it."""
    if not any(word in text for word in words):
        return text
    return re.sub(rf"[^\s'\"]*(?:{_either(words)})[^\s'\"]*", _INSTEAD, text)


def without_lines(text: str, words: Collection[str]) -> str:
    """Return the text without the lines that have such a word in them."""
    if not any(word in text for word in words):
        return text
    return re.sub(rf"^.*(?:{_either(words)}).*\n?", "", text, flags=re.MULTILINE)


class HiddenLines:
    """Hands output on, whole lines at a time, without those that name a hidden check."""

    def __init__(self, show: Callable[[bytes], None], words: Collection[str]) -> None:
        self._show = show
        self._words = [word.encode() for word in words]
        self._held = b""

    def __call__(self, data: bytes) -> None:
        """Take in more of the output."""
        whole, end, self._held = (self._held + data).rpartition(b"\n")
        lines = (whole + end).splitlines(keepends=True)
        if len(self._held) > _MOST_HELD:
            lines.append(self._held)
            self._held = b""
        kept = b"".join(line for line in lines if not any(word in line for word in self._words))
        if kept:
            self._show(kept)

    def close(self) -> None:
        """Hand on the last line, which may have no end."""
        self(b"\n" if self._held else b"")


def _either(words: Collection[str]) -> str:
    return "|".join(map(re.escape, sorted(words)))
