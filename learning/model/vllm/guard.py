"""Runs one program and ends it, with all that it started, when the process that asked for it is gone.

vLLM computes in processes of its own, which would stay behind and hold the GPU's memory. Whoever asked
holds the other end of standard input: its end is the word to end, however it came about. The number of
the program's process group is left in a file, for whoever must end it without this process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

_PATIENCE_S = 15.0
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run the command line behind the name of the file for the group's number; exit with its code."""
    _, group, *command = sys.argv
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_be_killed_with_parent,  # noqa: PLW1509 - there is no other thread yet
    )
    Path(group).write_text(str(child.pid), encoding="ascii")
    threading.Thread(target=_end_with_parent, args=[child], daemon=True).start()
    code = child.wait()
    _signal_all(child, signal.SIGKILL)
    sys.exit(code if code >= 0 else 128 - code)


def _be_killed_with_parent() -> None:
    """Ask the kernel to kill the program with this process, should that be killed (Linux only)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with_parent(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1):
        pass
    _signal_all(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(_PATIENCE_S)
    _signal_all(child, signal.SIGKILL)


def _signal_all(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


if __name__ == "__main__":
    main()
