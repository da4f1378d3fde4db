"""The growth of a function's cost with its input, as a claim that holds on a slow machine, too."""

from __future__ import annotations

import time
from collections.abc import Callable

_TIMES_LONGER = 4


def grows_linearly(work: Callable[[str], object], piece: str, characters: int) -> bool:
    """True if `work` on four times the text costs less than ten times as much processor time.

    Linear work costs four times as much, quadratic work sixteen times. `characters` is the length
    of the longer text. The least of several measurements counts, so a busy machine decides nothing.
    """
    long = piece * (characters // len(piece) + 1)
    short = long[: len(long) // _TIMES_LONGER]
    return any(_seconds(work, long) < 10 * max(_seconds(work, short), 0.002) for _ in range(3))


def _seconds(work: Callable[[str], object], text: str) -> float:
    """The processor seconds of one call."""
    started = time.process_time()
    work(text)
    return time.process_time() - started
