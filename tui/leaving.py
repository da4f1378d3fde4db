"""The way out of the program: nothing that it started may hold it up, or live on.

Threads that wait for somebody else (an engine, an index) cannot be cancelled. Once everything is
closed they have nothing to lose, so the process does not wait for them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

_GRACE_S = 0.5
"""So long threads may take that only have to notice that they are not needed."""


def leave(code: int) -> NoReturn:
    """End the process with this exit code, whatever still waits for something."""
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
    """End the process without any more clean-up; what was printed is not lost."""
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


def end_on_signals() -> None:
    """Let SIGTERM and the end of the terminal interrupt like Ctrl+C, so that clean-ups run."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


class Threads(ThreadPoolExecutor):
    """The threads of an event loop, for which nobody waits in the end."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go of the threads."""
        super().shutdown(wait=False, cancel_futures=True)
