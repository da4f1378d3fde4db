"""The experience store: one SQLite file per repository, safe against kill -9 and power loss.

Token ids and log-probabilities are kept exactly, as arrays beside the JSON body. Every row is
redacted before it is written.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from learning.experience.codec import ExperienceError, encode
from learning.experience.redact import redact_experience
from learning.experience.rows import COLUMNS, from_columns, to_row
from learning.records import Experience, Verdict

_PAGE_BYTES = 4096


class StoreError(ExperienceError):
    """The store cannot be read or written; the message names the file and the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Numbers of stored experiences."""

    total: int
    passed: int
    failed: int
    forgeable: int
    """Passes whose verdict the code could have forged: kept and shown, never learned from."""
    size_bytes: int


def _create_tables(db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TABLE experiences ("
        " number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, session TEXT NOT NULL,"
        " created_at REAL NOT NULL, model TEXT NOT NULL, verdict TEXT NOT NULL,"
        " fixes TEXT NOT NULL, body TEXT NOT NULL,"
        " prompt_ids BLOB NOT NULL, token_ids BLOB NOT NULL, logprobs BLOB)"
    )
    db.execute("CREATE INDEX experiences_by_session ON experiences (session)")
    db.execute("CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
    db.execute("CREATE TABLE forgotten (id TEXT PRIMARY KEY, forgotten_at REAL NOT NULL)")


def _add_trust(db: sqlite3.Connection) -> None:
    """Verdicts that were stored before their trust was kept could have been forged: plain."""
    db.execute("ALTER TABLE experiences ADD COLUMN trust TEXT NOT NULL DEFAULT 'plain'")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_create_tables, _add_trust)
"""Migration n brings a store from version n to n + 1. Only ever append."""


class ExperienceStore:
    """All experiences of one repository. A context manager; threads that share it take turns."""

    def __init__(self, db: sqlite3.Connection, path: Path, *, home: str) -> None:
        self._db = db
        self._path = path
        self._home = home
        self._turn = threading.RLock()

    @classmethod
    def open(cls, path: Path, *, max_mib: int | None = None, home: str = "") -> Self:
        """Open or create the store, bringing an older one up to date.

        `max_mib` bounds the file; `home` is a folder whose path is shortened to `~` in new rows.

        Raises:
            StoreError: If the file is damaged, made by a newer version, or cannot be written.
        """
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)  # before SQLite makes it with the umask's mode
            db = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
            try:
                _prepare(db, path, max_mib=max_mib)
            except BaseException:  # an interruption, too
                db.close()
                raise
        return cls(db, path, home=home)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it. Safe to call twice."""
        with self._turn:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.close()

    @property
    def capturing(self) -> bool:
        """True if new experiences of this repository are stored."""
        with self._reading():
            row = self._db.execute("SELECT value FROM settings WHERE name = 'capture'").fetchone()
        return row is None or row[0] == "on"

    def set_capturing(self, *, on: bool) -> None:
        """Switch capture on or off for this repository; stored experiences stay."""
        with self._writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO settings VALUES ('capture', ?)", ("on" if on else "off",)
            )

    def add(self, experience: Experience) -> bool:
        """Keep one experience, redacted; it is on the disk when this returns true.

        Returns false, keeping nothing, while capture is switched off.

        Raises:
            StoreError: If it cannot be written, or the id is already there.
        """
        if not self.capturing:
            return False
        row = to_row(redact_experience(experience, home=self._home))
        with self._writing() as db:
            db.execute(
                f"INSERT INTO experiences ({', '.join(COLUMNS)})"  # noqa: S608 - names of columns
                f" VALUES ({', '.join('?' * len(COLUMNS))})",
                [getattr(row, column) for column in COLUMNS],
            )
        return True

    def amend(self, experience: Experience) -> bool:
        """Replace the fields of a stored experience, redacted, but not its tokens.

        For a verdict or a correction that becomes known later. False if the experience is not stored.

        Raises:
            StoreError: If it cannot be written.
        """
        row = to_row(redact_experience(experience, home=self._home))
        with self._writing() as db:
            changed = db.execute(
                "UPDATE experiences SET verdict = ?, fixes = ?, trust = ?, body = ? WHERE id = ?",
                (row.verdict, row.fixes, row.trust, row.body, row.id),
            )
        return changed.rowcount > 0

    def get(self, id: str) -> Experience | None:  # noqa: A002 - the name that callers know
        """The experience with this id, or None."""
        return next(self._select("WHERE id = ?", id), None)

    def list(
        self,
        *,
        session: str | None = None,
        verdict: Verdict | None = None,
        limit: int | None = None,
    ) -> tuple[Experience, ...]:
        """Stored experiences, newest first."""
        return tuple(
            self._select(
                "WHERE (?1 IS NULL OR session = ?1) AND (?2 IS NULL OR verdict = ?2)"
                " ORDER BY number DESC LIMIT ?3",
                session,
                verdict,
                -1 if limit is None else limit,
            )
        )

    def forget(self, id: str, *, now: float | None = None) -> bool:  # noqa: A002
        """Erase one experience from the file; false when it is not there.

        Only its id is kept, so that adapters made from it can be found.
        """
        with self._writing() as db:
            gone = db.execute("DELETE FROM experiences WHERE id = ?", (id,)).rowcount > 0
            if gone:
                moment = time.time() if now is None else now
                db.execute("INSERT OR REPLACE INTO forgotten VALUES (?, ?)", (id, moment))
        with self._reading():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log held the text as well
        return gone

    def forgotten(self) -> frozenset[str]:
        """Ids of experiences that were erased."""
        with self._reading():
            return frozenset(row[0] for row in self._db.execute("SELECT id FROM forgotten"))

    def note_forgotten(self, ids: Collection[str], *, now: float | None = None) -> None:
        """Keep ids that somebody else forgot, so that adapters made from them can be found.

        An id that is stored here is passed over: only its owner forgets it.

        Raises:
            StoreError: If it cannot be written.
        """
        moment = time.time() if now is None else now
        with self._writing() as db:
            db.executemany(
                "INSERT OR IGNORE INTO forgotten SELECT ?1, ?2"
                " WHERE NOT EXISTS (SELECT 1 FROM experiences WHERE id = ?1)",
                [(id_, moment) for id_ in sorted(ids)],
            )

    def export(self) -> Iterator[str]:
        """Every experience as one line of JSON, oldest first."""
        return (encode(experience) for experience in self._select("ORDER BY number"))

    def counts(self) -> Counts:
        """The number of experiences, by verdict, and the size of the file."""
        with self._reading():
            total, passed, failed, forgeable = self._db.execute(
                "SELECT count(*), coalesce(sum(verdict = 'pass'), 0),"
                " coalesce(sum(verdict = 'fail'), 0),"
                " coalesce(sum(verdict = 'pass' AND trust = 'plain'), 0)"
                " FROM experiences"
            ).fetchone()
            pages = self._db.execute("PRAGMA page_count").fetchone()[0]
        return Counts(
            total=total,
            passed=passed,
            failed=failed,
            forgeable=forgeable,
            size_bytes=pages * _PAGE_BYTES,
        )

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        with self._turn, _explained(self._path):
            yield

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading():
            # IMMEDIATE takes the write lock at once: two sessions queue up instead of colliding.
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:  # an interruption, too
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def _select(self, clause: str, *values: object) -> Iterator[Experience]:
        with self._reading():
            rows = self._db.execute(
                f"SELECT body, prompt_ids, token_ids, logprobs FROM experiences {clause}",  # noqa: S608 - clauses are constants of this class
                values,
            ).fetchall()
        for row in rows:
            try:
                experience = from_columns(*row)
            except (TypeError, ValueError, AttributeError, OverflowError) as err:
                raise StoreError(f"{self._path}: {_advice('malformed')}") from err
            yield experience


def _prepare(db: sqlite3.Connection, path: Path, *, max_mib: int | None) -> None:
    db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    db.execute("PRAGMA journal_mode = WAL")
    # FULL: an acknowledged row survives power loss, at about 4 ms a commit.
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA secure_delete = ON")
    if max_mib is not None:
        db.execute(f"PRAGMA max_page_count = {max_mib * 2**20 // _PAGE_BYTES}")
    if _version(db) != len(MIGRATIONS):
        _migrate(db, path)


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    db.execute("BEGIN IMMEDIATE")
    version = _version(db)  # again, now that no other process can be migrating
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer elagent (version {version}, this one knows"
            f" {len(MIGRATIONS)}): update elagent"
        )
    for migrate in MIGRATIONS[version:]:
        migrate(db)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    db.execute("COMMIT")  # an error before this point closes the connection, which rolls back


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as err:
        raise StoreError(f"{path}: this experience is already stored ({err})") from err
    except sqlite3.Error as err:
        raise StoreError(f"{path}: {_advice(str(err))}") from err
    except OSError as err:
        raise StoreError(f"{path}: the experience store cannot be opened: {err.strerror}") from err


def _advice(message: str) -> str:
    if "full" in message:
        return "no space is left for experiences: forget some, or free disk space"
    if "malformed" in message or "not a database" in message:
        return "the file is damaged: move it away, and a new one will be made"
    if "locked" in message or "busy" in message:
        return "another session has been writing for 30 seconds: try again when it is done"
    if "readonly" in message or "unable to open" in message:
        return "the file cannot be written: check its owner and permissions"
    return f"the experience store failed: {message}"
