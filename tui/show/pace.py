"""Estimates the time that is left from the progress so far."""

from __future__ import annotations

import time
from collections.abc import Callable

_SECONDS_BEFORE_ESTIMATE = 2.0


class Pace:
    """Rate of progress since the first report; earlier work is set-up and does not count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, float] | None = None

    def seconds_left(self, done: float, total: float) -> float | None:
        """Estimate the seconds until `total`; None in the first two seconds or without progress."""
        now = self._clock()
        if self._first is None:
            self._first = now, done
        since, before = self._first
        if done <= before or now - since < _SECONDS_BEFORE_ESTIMATE:
            return None
        return (now - since) * (total - done) / (done - before)
