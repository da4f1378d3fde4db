"""The log file for bug reports: the traces of our own faults, private and bounded in size."""

from __future__ import annotations

import os
from pathlib import Path

from agent.errors import ConfigError
from agent.paths import make_private

MAX_BYTES = 1_000_000
_LONGEST_FAULT = 20_000


def append_fault(log_file: Path, text: str) -> Path | None:
    """Append the trace of a fault of our own; return the file, or None if it cannot be written."""
    try:
        make_private(log_file.parent)
        _touch_private(log_file)
        if log_file.stat().st_size > MAX_BYTES:
            log_file.replace(log_file.with_name(log_file.name + ".1"))
            _touch_private(log_file)
        with log_file.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text[-_LONGEST_FAULT:].rstrip("\n") + "\n")
    except (OSError, ConfigError):
        return None
    return log_file


def _touch_private(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
