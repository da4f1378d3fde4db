"""Lock files of sessions: held while a session lives, and free the moment it does not.

The lock is the kernel's (`flock`), so it ends with the process, however that ended, and a reused
process id means nothing.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LOCK_SUFFIX = ".lock"


def lock_path(lock_dir: Path, session: str) -> Path:
    """Return where a session's lock file lives."""
    return lock_dir.resolve() / f"{session}{LOCK_SUFFIX}"


def lock_shared(path: Path) -> int:
    """Open a lock file and share its lock; again if somebody unlinked it in between.

    Raises:
        OSError: If it cannot be made.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(fd).st_ino:  # noqa: PTH116
                return fd
        os.close(fd)


def is_abandoned(lock: Path, *, then: Callable[[], object] = lambda: None) -> bool:
    """Tell if nobody holds this lock any more.

    If so, `then` is called while nobody else can take it.
    """
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        then()
        return True
    finally:
        os.close(fd)
