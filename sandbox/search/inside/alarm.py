"""Ends code of this process that takes too long. Standard library only."""

from __future__ import annotations

import signal
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class StillRunningError(BaseException):
    """The code did not end in its time. No `except Exception` of the project catches it."""


def set_alarm(seconds: float, ring: Callable[[], object] = lambda: None) -> None:
    """Have `ring` called after so many seconds, and StillRunningError raised where the code is then.

    A test that sets an alarm of its own takes the place of this one.
    """

    def on_alarm(*_: object) -> None:
        ring()
        raise StillRunningError("it does not end")

    with suppress(ValueError):  # not the main thread: nothing can be interrupted from here
        signal.signal(signal.SIGALRM, on_alarm)
        signal.setitimer(signal.ITIMER_REAL, seconds)


class TestAlarm:
    """Ends the tests that are known not to end by themselves, each after so many seconds.

    `ring` is called first; it may leave the process, because nothing else is to be known then.
    """

    def __init__(self, tests: set[str], seconds: float, ring: Callable[[], object]) -> None:
        self._tests = tests
        self._seconds = seconds
        self._ring = ring
        self._started = 0.0
        self.took_s = 0.0
        """Seconds that these tests took."""

    def begin(self, test_id: str) -> None:
        """Say that a test begins."""
        if test_id in self._tests:
            self._started = monotonic()
            set_alarm(self._seconds, self._ring)

    def end(self, test_id: str) -> None:
        """Say that it ended."""
        if test_id in self._tests:
            stop_alarm()
            self.took_s += monotonic() - self._started


def stop_alarm() -> None:
    """Call the alarm off."""
    signal.setitimer(signal.ITIMER_REAL, 0.0)
