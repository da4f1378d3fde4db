"""Rings, and notifies the desktop where the terminal can, when a long piece of work has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

BELL = "\a"
_UNDERSTAND = frozenset({"iTerm.app", "WezTerm", "ghostty", "kitty"})
"""Terminals, by TERM_PROGRAM, that show the text of OSC 9 as a notification."""
_UNDERSTAND_TERM = ("xterm-kitty", "xterm-ghostty", "foot", "wezterm")
_LONGEST = 80


@dataclass(kw_only=True)
class Bell:
    """Tells whether a piece of work took so long that its end is worth a ring."""

    after_s: float
    """0: never."""
    clock: Callable[[], float] = time.monotonic
    _began: float = field(default=0.0, init=False)

    def begin(self) -> None:
        """Note that the work begins."""
        self._began = self.clock()

    @property
    def is_due(self) -> bool:
        """True if the work that began last has taken that long by now."""
        return self.after_s > 0 and self.clock() - self._began >= self.after_s


def ringing(text: str, environ: Mapping[str, str]) -> str:
    """The bytes that ring: BEL, and before it OSC 9 with a text where the terminal says it knows it."""
    if not _understands(environ):
        return BELL
    plain = "".join(character for character in text if character.isprintable())[:_LONGEST]
    return f"\x1b]9;{plain}\x1b\\{BELL}"


def _understands(environ: Mapping[str, str]) -> bool:
    if environ.get("TMUX") or environ.get("STY"):  # the multiplexer would have to pass it on
        return False
    program, term = environ.get("TERM_PROGRAM", ""), environ.get("TERM", "")
    return program in _UNDERSTAND or term.startswith(_UNDERSTAND_TERM)
