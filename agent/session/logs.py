"""The log file for bug reports: bounded in size, private, without prompts or file contents.

What is logged is up to the callers (names, sizes, times, never prompts); as a second line of
defence messages are cut short and known secrets are blotted out.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path

from agent.errors import ConfigError
from agent.paths import make_private

MAX_BYTES = 1_000_000
_BACKUPS = 2
_LONGEST_MESSAGE = 500
_LONGEST_FAULT = 20_000
_OURS = ("agent", "learning", "sandbox", "tui")


class _Discreet(logging.Formatter):
    """One line per record, cut short, without secrets."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
        self._secrets = [secret for secret in secrets if secret]

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        if record.exc_info:
            return text[:_LONGEST_FAULT]
        return " ".join(text.splitlines())[:_LONGEST_MESSAGE]


@contextlib.contextmanager
def logging_to(
    log_file: Path, *, level: int = logging.INFO, secrets: Sequence[str] = ()
) -> Iterator[None]:
    """Write what our packages log to the file while in the context; others stay as they are.

    A place that cannot be written to means no log, not no work.
    """
    try:
        make_private(log_file.parent)
        _touch_private(log_file)
        handler = RotatingFileHandler(
            log_file, maxBytes=MAX_BYTES, backupCount=_BACKUPS, encoding="utf-8", delay=True
        )
    except (OSError, ConfigError):
        yield
        return
    handler.setFormatter(_Discreet(secrets))
    before = {name: logging.getLogger(name).level for name in _OURS}
    for name in _OURS:
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        for name in _OURS:
            logging.getLogger(name).removeHandler(handler)
            logging.getLogger(name).setLevel(before[name])
        handler.close()


def append_fault(log_file: Path, text: str) -> Path | None:
    """Keep the trace of a fault of our own; gives where, or None if it cannot be written."""
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
