"""How often what streams is drawn: as often as a fixed share of one core allows."""

from __future__ import annotations

import time
from collections.abc import Callable

_SHARE = 1 / 8
_LONGEST_S = 0.5


class DrawingPace:
    """Lets a drawing through when those before it took no more than their share of the time.

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
        """What was used until now does not count."""
        self._used_before = self._used()

    def is_due(self) -> bool:
        """Whether to draw now; the caller does it then."""
        now, used = self._clock(), self._used()
        if now < self._next_at:
            return False
        self._next_at = now + min(_LONGEST_S, (used - self._used_before) / _SHARE)
        self._used_before = used
        return True
