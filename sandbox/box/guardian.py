"""A sleeping shell that outlives its session by a moment, to remove what a kill left behind.

The dead-man's switch of a box works from its start on. A process that is killed between asking the
engine for a box and starting it leaves one that never ran and would never end: the guardian sees
the end of its pipe and then removes the leftovers of all dead sessions. It costs a megabyte.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sandbox.box.contract import SandboxError
from sandbox.host.lock_files import lock_path, lock_shared

# A byte means that the session ended in order; the end of the pipe without one, that it did not.
_WATCH = 'read -r _ || exec "$@"'
_ROOT = Path(__file__).resolve().parents[2]
_REMOVE = f"import sys; sys.path.insert(0, sys.argv[1]); from {__name__} import main; main()"
_ROUNDS_S = (0.0, 0.4, 0.8, 3.0)
"""Again after a while: the engine may still be working on what it was last asked for."""


@contextmanager
def session_lock(lock_dir: Path, session: str) -> Iterator[Path]:
    """Hold the session's lock; several holders of one session share it.

    Raises:
        SandboxError: If the lock file cannot be made.
    """
    path = lock_path(lock_dir, session)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = lock_shared(path)
    except OSError as error:
        raise SandboxError(f"cannot lock {path}: {error.strerror}") from error
    try:
        with guardian(path.parent):
            yield path
    finally:
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while somebody else holds it
            path.unlink(missing_ok=True)
        os.close(fd)


@contextmanager
def guardian(lock_dir: Path) -> Iterator[None]:
    """Have the leftovers in this directory removed even if this process is killed inside."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    remove = [sys.executable, "-P", "-c", _REMOVE, str(_ROOT), str(lock_dir)]
    with subprocess.Popen(
        ["/bin/sh", "-c", _WATCH, "sh", *remove],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean,
        cwd="/",
        start_new_session=True,
    ) as watcher:
        try:
            yield
        finally:
            assert watcher.stdin is not None  # noqa: S101 - it was asked for
            with suppress(BrokenPipeError):
                watcher.stdin.write(b"\n")
                watcher.stdin.flush()


def main() -> None:
    """Remove leftovers now and for a moment longer; there is nobody left to tell of a failure."""
    from sandbox.box.leftovers import remove_leftovers

    for wait_s in _ROUNDS_S:
        time.sleep(wait_s)
        with suppress(SandboxError):
            remove_leftovers(Path(sys.argv[2]))
