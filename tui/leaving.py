"""Ends the process: no thread may hold up the exit, and no child process may outlive it.

A thread that waits for another program (Docker, a package index) cannot be cancelled. Such a
thread holds no unsaved data once everything is closed, so the process does not wait for it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import NoReturn

_GRACE_S = 0.5
"""Time for threads that end by themselves once they see that the work is over."""
_LONGEST_S = 15.0
"""Time for all clean-ups after a signal."""


def leave(code: int) -> NoReturn:
    """End the process with this exit code, even if threads still wait."""
    _end_children()
    deadline = time.monotonic() + _GRACE_S
    others = [t for t in threading.enumerate() if t is not threading.current_thread()]
    for thread in others:
        if not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() and not thread.daemon for thread in others):
        at_once(code)
    sys.exit(code)


def at_once(code: int) -> NoReturn:
    """End the process without further clean-up; only printed text is flushed."""
    _end_children()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(code)


def _end_children() -> None:
    if "sandbox.host.children" in sys.modules:
        from agent.processes import end_all

        end_all()


def end_on_signals(*, grace_s: float = _LONGEST_S) -> None:
    """Treat SIGTERM and SIGHUP as Ctrl+C, so that clean-ups run; the process ends after `grace_s` whatever they do.

    The screen may wait for its writing thread for good where the terminal is gone.
    """

    def end(number: int, frame: FrameType | None) -> None:
        last = threading.Timer(grace_s, at_once, [128 + number])
        last.daemon = True
        last.start()
        signal.default_int_handler(number, frame)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


class Threads(ThreadPoolExecutor):
    """Thread pool of an event loop that does not wait for its threads on shutdown."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel the queued work and return at once."""
        super().shutdown(wait=False, cancel_futures=True)
