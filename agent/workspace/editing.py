"""One editor at a time in a worktree: two that judge their edits there would judge each other's."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from agent.errors import BusyError


@contextlib.contextmanager
def editing(root: Path) -> Iterator[None]:
    """Be the only one who edits in the worktree that `root` lies in, while in the context.

    A lock of the kernel on the worktree's folder: it needs no file, and it is gone with its holder.
    Where a file system has no such locks, there is none.

    Raises:
        BusyError: If somebody else holds it.
    """
    folder = worktree_of(root)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = (
                f"another elagent is editing files in {folder}; wait until it is done, or stop it"
            )
            raise BusyError(message) from None
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)


def worktree_of(root: Path) -> Path:
    """The folder of git's worktree around `root`, or `root` itself where there is none."""
    root = root.resolve()
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
