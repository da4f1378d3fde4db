"""How long the rest of something takes, told from its pace so far."""

from __future__ import annotations

import time
from collections.abc import Callable

_SECONDS_BEFORE_ESTIMATE = 2.0


class Pace:
    """The rate since progress was first heard of: what came before is set-up or was done already."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, float] | None = None

    def seconds_left(self, done: float, total: float) -> float | None:
        """For the rest of `total`; None until it can be told."""
        now = self._clock()
        if self._first is None:
            self._first = now, done
        since, before = self._first
        if done <= before or now - since < _SECONDS_BEFORE_ESTIMATE:
            return None
        return (now - since) * (total - done) / (done - before)
