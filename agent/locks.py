"""Advisory file locks (flock) that end with their process, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path


def try_lock(path: Path) -> int | None:
    """Take the lock without waiting: an open file descriptor that holds it, or None.

    The folder must exist. Closing the descriptor gives the lock back.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:  # an interruption, too
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def hold(path: Path, *, timeout_s: float) -> Iterator[int]:
    """Hold the lock while in the context; yields its descriptor.

    Raises:
        TimeoutError: If another process kept it longer than `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.02)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
