"""Ends a test that takes too long, so that the others still run. Loaded by launch.py.

A process of its own keeps the time, since a test may stop or change the clock of this one, and interrupts
with a signal. Whatever the test makes of the interruption, it has failed: the reporter asks `ended`. Code that
swallows every exception in a loop, and C code that never returns, go on until the limit of the whole run.
Names are bound before the first test is imported, as in reporting.py.
"""

from __future__ import annotations

import os
import select
import signal
import struct
from contextlib import suppress
from os import getpid, write
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
    """Seconds that the body of each test may take.

    Once a test was ended, the next ones get ten times the longest that ended by itself, at least five
    seconds: as a rule they hang for the same cause.
    """

    def __init__(self, seconds: float, out_of_the_way: Callable[[int], int]) -> None:
        """Start the process that keeps the time; `out_of_the_way` copies a file to where no test meets it."""
        self._usual = self._seconds = seconds
        self._running = False
        self._started = self._longest = 0.0
        self._said = ""
        self._had_less = False
        self._pid = getpid()
        reading, writing = os.pipe()
        self._fd = out_of_the_way(writing)
        os.close(writing)
        signal.signal(_SIGNAL, self._end_test)
        _keep_time(reading, self._fd)
        os.close(reading)

    def begin(self) -> None:
        """Count from here; nothing is counted in a fork of this process."""
        if getpid() == self._pid:
            self._running, self._started = True, monotonic()
            self._say(self._seconds)

    def stop(self) -> None:
        """Count no longer: the body of the test has ended, one way or another."""
        if self._running and getpid() == self._pid:
            self._running = False
            self._say(0.0)
            if not self._said:
                self._longest = max(self._longest, monotonic() - self._started)

    def ended(self) -> tuple[str, bool]:
        """Say why the last test was ended, and if it had less than the usual time; empty if it was not.

        What is said counts for that one test.
        """
        self.stop()
        said, had_less = self._said, self._had_less
        if said:
            self._seconds = min(self._seconds, max(_LEAST_S, _TIMES_LONGEST * self._longest))
        self._said, self._had_less = "", False
        return said, had_less

    def _say(self, seconds: float) -> None:
        with suppress(OSError):  # a test closed the file: then there is no limit
            write(self._fd, _SECONDS.pack(seconds))

    def _end_test(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._running or monotonic() - self._started < self._seconds - _EARLY_S:
            return
        if not self._said:
            self._had_less = self._seconds < self._usual
            why = "less, since another did not end" if self._had_less else "sandbox.test_s"
            self._said = f"the test did not end within {self._seconds:.3g} s ({why})"
        raise TestTimeout(self._said)


def _keep_time(reading: int, writing: int) -> None:
    """Fork a process, nobody's child, that signals this one when a test's time is over."""
    watched = getpid()
    if child := os.fork():
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(0)
    try:
        os.setsid()
        os.closerange(0, reading)
        os.closerange(reading + 1, writing + 1)
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
