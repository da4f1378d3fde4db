"""Reads what comes on standard input beside a task, as `git diff | elagent -p "explain this"` has it."""

from __future__ import annotations

import os
import select
import stat
import sys

_PATIENCE_S = 2.0
"""Seconds to wait for the first byte of a pipe that nobody may ever write to."""
_MOST_BYTES = 2_000_000


def piped_text() -> str:
    """Return the text on standard input if it is a pipe or a file; empty if nothing comes.

    A pipe that stays open and silent is given up after two seconds; more than 2 MB is cut off.
    """
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError, AttributeError):
        return ""
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
        return ""
    if not select.select([descriptor], [], [], _PATIENCE_S)[0]:
        return ""
    data = bytearray()
    while len(data) < _MOST_BYTES and (piece := os.read(descriptor, 65536)):
        data += piece
    return data.decode("utf-8", "replace")
