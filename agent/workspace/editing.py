"""Lock for one editor at a time in a worktree: two would judge each other's edits."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from agent.errors import BusyError


@contextlib.contextmanager
def editing(root: Path) -> Iterator[None]:
    """Hold the editor's lock of the worktree around `root`, while in the context.

    The kernel locks the worktree's folder: this needs no file and ends with its holder. On a file
    system without such locks nothing is held.

    Raises:
        BusyError: If another process holds it.
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
