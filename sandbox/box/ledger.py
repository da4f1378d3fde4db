"""Lists the runs and their statuses, in a small database that survives any kill.

A row goes from `created` to `running` to one of the words of `sandbox.box.status` and never back. Rows
that a dead session left unfinished become `sandbox_error`: nobody knows what came of them, so they
are evidence of nothing.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.box.contract import SandboxError
from sandbox.box.status import Status
from sandbox.host.lock_files import is_abandoned, lock_path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS steps (
    session TEXT NOT NULL,
    step INTEGER NOT NULL,
    state TEXT NOT NULL,
    changed_at REAL NOT NULL,
    label TEXT NOT NULL DEFAULT '',
    began_at REAL NOT NULL DEFAULT 0,
    project TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (session, step)
) WITHOUT ROWID
"""
_LATER_COLUMNS = {
    "label": "TEXT NOT NULL DEFAULT ''",
    "began_at": "REAL NOT NULL DEFAULT 0",
    "project": "TEXT NOT NULL DEFAULT ''",
}
"""Columns that a database of an older version lacks."""
_FIELDS = ("session", "step", "label", "state", "began_at", "changed_at", "project")
_UNFINISHED = ("created", "running")
_RUNNING = "running"
_KEPT_S = 30 * 24 * 3600.0
_BUSY_S = 10.0
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedRun:
    """One row of the list of runs."""

    session: str
    step: int
    label: str
    """Name of the run: `tests`, `small changes`, or that of a program."""
    state: str
    """`created`, `running`, or a word of `sandbox.box.status.Status`."""
    began_at: float
    """Seconds since the epoch; 0 where an older version noted the run."""
    changed_at: float
    """Seconds since the epoch: when the run ended, if it has."""
    project: str
    """The folder of the repository; empty where an older version noted the run."""


class RunLedger:
    """The runs of all sessions that share a state directory. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(_SCHEMA)
            self._add_later_columns()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def settle(self, lock_dir: Path) -> int:
        """End the unfinished rows of sessions whose lock is free, forget old ones; counts the first.

        Raises:
            SandboxError: If the database cannot be written.
        """
        with self._errors():
            unfinished = self._database.execute(
                "SELECT DISTINCT session FROM steps WHERE state IN (?, ?)", _UNFINISHED
            ).fetchall()
            dead = [(name,) for (name,) in unfinished if is_abandoned(lock_path(lock_dir, name))]
            now = time.time()
            settled = 0
            for (name,) in dead:
                settled += self._database.execute(
                    "UPDATE steps SET state = ?, changed_at = ?"
                    " WHERE session = ? AND state IN (?, ?)",
                    (Status.SANDBOX_ERROR, now, name, *_UNFINISHED),
                ).rowcount
            self._database.execute("DELETE FROM steps WHERE changed_at < ?", (now - _KEPT_S,))
        return settled

    def _add_later_columns(self) -> None:
        there = {row[1] for row in self._database.execute("PRAGMA table_info(steps)")}
        for name in _LATER_COLUMNS.keys() - there:
            self._database.execute(f"ALTER TABLE steps ADD COLUMN {name} {_LATER_COLUMNS[name]}")

    def last_runs(self, count: int) -> tuple[NotedRun, ...]:
        """Return the last runs of all sessions, the newest first.

        Raises:
            SandboxError: If the database cannot be read.
        """
        with self._errors():
            rows = self._database.execute(
                f"SELECT {', '.join(_FIELDS)} FROM steps"  # noqa: S608  (names of our own)
                " ORDER BY MAX(began_at, changed_at) DESC, session, step DESC LIMIT ?",
                (count,),
            ).fetchall()
        return tuple(NotedRun(**dict(zip(_FIELDS, row, strict=True))) for row in rows)

    def create(self, session: str, step: int, *, label: str = "", project: str = "") -> str:
        """Note that a run is about to begin; gives the state of its row.

        Doing it again changes nothing and gives what the row says, `created` or a status.

        Raises:
            SandboxError: If the database cannot be written.
        """
        key = (session, step)
        with self._errors():
            self._database.execute(
                "INSERT INTO steps (session, step, state, changed_at, label, began_at, project)"
                " VALUES (?, ?, 'created', ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (*key, now := time.time(), label, now, project),
            )
        return self.state(session, step) or "created"

    def start(self, session: str, step: int) -> bool:
        """Note that a run has begun; False if it is over already.

        Raises:
            SandboxError: If the database cannot be written.
        """
        return self._move(session, step, _RUNNING)

    def finish(self, session: str, step: int, *, status: Status) -> bool:
        """Note the status of a run; False if the run has one already, which stays.

        Raises:
            SandboxError: If the database cannot be written.
        """
        return self._move(session, step, status)

    def _move(self, session: str, step: int, to: str) -> bool:
        with self._errors():
            changed = self._database.execute(
                "UPDATE steps SET state = ?, changed_at = ? WHERE session = ? AND step = ?"
                " AND state IN (?, ?)",
                (to, time.time(), session, step, *_UNFINISHED),
            )
        return changed.rowcount == 1

    def last_step(self, session: str) -> int:
        """Return the last step that a session began, perhaps in an earlier process; 0 if none."""
        with self._errors():
            row = self._database.execute(
                "SELECT MAX(step) FROM steps WHERE session = ?", (session,)
            ).fetchone()
            return int(row[0] or 0)

    def state(self, session: str, step: int) -> str | None:
        """Return the state of a row, None if there is no such row."""
        with self._errors():
            row = self._database.execute(
                "SELECT state FROM steps WHERE session = ? AND step = ?",
                (session, step),
            ).fetchone()
        return None if row is None else str(row[0])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, TypeError, OverflowError) as error:
            raise SandboxError(_what_is_wrong(self._path, error)) from error


def _what_is_wrong(path: Path, error: Exception) -> str:
    """Name what is damaged, full or busy, and what to do about it."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(_BUSY):
        return f"another process keeps the list of runs {path} busy ({error}); try again"
    if isinstance(error, OSError) or name.startswith(_NO_ROOM):
        return (
            f"the run cannot be noted in {path}: {error}; nothing is run that could not be"
            " accounted for: see that the disk has room and the folder can be written to"
        )
    return (
        f"the list of runs {path} is damaged ({error}); move the file away, and the next run begins"
        " a new one: it holds no work of yours, only which runs were begun"
    )
