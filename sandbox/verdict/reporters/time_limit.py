"""Ends a test that takes too long, so that the others still run. Loaded by launch.py.

A process of its own keeps the time: a test may stop or change the clock of this one. Names are bound
before the first test is imported, as in reporting.py. Code that swallows every exception, and C code that
never returns, go on until the limit of the whole run.
"""

from __future__ import annotations

import os
import select
import signal
import struct
from contextlib import suppress
from os import write
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_SIGNAL = signal.SIGRTMAX - 4
"""A signal without a name: a test may send itself any that has one."""
_SECONDS = struct.Struct("d")
_AGAIN_S = 5.0
_STEP_S = 0.2
_LEAST_S = 5.0
_TIMES_LONGEST = 10.0
_EARLY_S = 0.05


class TestTimeout(BaseException):
    """A test did not end in its time. No `except Exception` of the code under test catches it."""


class TimeLimit:
    """Seconds that each test may take.

    Once a test was ended, the next ones get ten times the longest that ended by itself, at least five
    seconds: as a rule they hang for the same cause.
    """

    def __init__(self, seconds: float, out_of_the_way: Callable[[int], int]) -> None:
        """Start the process that keeps the time; `out_of_the_way` copies a file to where no test meets it."""
        self._seconds = seconds
        self._why = "sandbox.test_s"
        self._running = False
        self._started = self._longest = self._told = 0.0
        reading, writing = os.pipe()
        self._fd = out_of_the_way(writing)
        os.close(writing)
        signal.signal(_SIGNAL, self._end_test)
        _keep_time(reading, [self._fd])
        os.close(reading)

    def begin(self) -> None:
        """Count from here."""
        self._running, self._started = True, monotonic()
        self._say(self._seconds)

    def end(self) -> None:
        """Stop counting: the test has ended."""
        if self._running:
            self._running = False
            if not self._told:
                self._longest = max(self._longest, monotonic() - self._started)
            self._told = 0.0
            self._say(0.0)

    def lift(self) -> None:
        """Let every test take as long as it needs."""
        self._seconds = 0.0

    def _say(self, seconds: float) -> None:
        with suppress(OSError):  # a test closed the file: then there is no limit
            write(self._fd, _SECONDS.pack(seconds))

    def _end_test(self, _signal: int, _frame: FrameType | None) -> None:
        limit = self._told or self._seconds
        if self._running and limit and monotonic() - self._started >= limit - _EARLY_S:
            self._told = limit
            why, self._why = self._why, "less than usual, since a test before it did not end"
            self._seconds = min(self._seconds, max(_LEAST_S, _TIMES_LONGEST * self._longest))
            raise TestTimeout(f"the test did not end within {limit:.3g} s ({why})")


def _keep_time(reading: int, unused: list[int]) -> None:
    """Fork a process, nobody's child, that signals this one when a test's time is over."""
    watched = os.getpid()
    if child := os.fork():
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(0)
    try:
        os.setsid()
        for fd in unused:
            os.close(fd)
        _watch(watched, reading)
    finally:
        os._exit(0)


def _watch(watched: int, reading: int) -> None:
    ends_at = 0.0
    while True:
        if select.select([reading], [], [], _STEP_S)[0]:
            said = os.read(reading, 4096)
            if len(said) < _SECONDS.size:
                return  # the test process is gone
            whole = said[: len(said) // _SECONDS.size * _SECONDS.size]
            (seconds,) = _SECONDS.unpack(whole[-_SECONDS.size :])
            ends_at = monotonic() + seconds if seconds else 0.0
        os.kill(watched, 0)
        if ends_at and monotonic() > ends_at:
            ends_at = monotonic() + _AGAIN_S
            os.kill(watched, _SIGNAL)
