"""A sleeping shell that outlives its session by a moment, to remove what a kill left behind.

The dead-man's switch of a box works from its start on. A process that is killed between asking the
engine for a box and starting it leaves one that never ran and would never end: the guardian sees
the end of its pipe and then removes the leftovers of all dead sessions. It costs a megabyte.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# A byte means that the session ended in order; the end of the pipe without one, that it did not.
_WATCH = 'read -r _ || exec "$@"'
_ROUNDS_S = (0.0, 0.4, 0.8, 3.0)
"""Again after a while: the engine may still be working on what it was last asked for."""


@contextmanager
def guardian(lock_dir: Path) -> Iterator[None]:
    """Have the leftovers in this directory removed even if this process is killed inside."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    remove = [sys.executable, "-P", str(Path(__file__).resolve()), str(lock_dir)]
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


def main(lock_dir: Path) -> None:
    """Remove leftovers now and for a moment longer; there is nobody left to tell of a failure."""
    from sandbox.box.contract import SandboxError
    from sandbox.box.leftovers import remove_leftovers

    for wait_s in _ROUNDS_S:
        time.sleep(wait_s)
        with suppress(SandboxError):
            remove_leftovers(lock_dir)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main(Path(sys.argv[1]))
