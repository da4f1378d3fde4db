"""Session files: append-only JSON lines that survive a kill at any byte.

A line counts once its line feed is in the file; what a killed process left of a line is ignored by
readers and cut off by the next writer. A thread flushes the file to the disk, so that a power cut
loses the last moment and nobody waits for a disk. Ids sort by time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.approval import Mode
from agent.errors import SessionError
from agent.paths import make_private

__all__ = [
    "SessionError",
    "SessionFile",
    "SessionLog",
    "last_conversation",
    "list_sessions",
    "read_session",
    "sweep_sessions",
]

_SUFFIX = ".jsonl"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFile:
    """One session on disk."""

    id: str
    path: Path
    size_bytes: int
    changed_at: float
    """Seconds since the epoch."""


class SessionLog:
    """The file of one running session. No two processes have the same one open."""

    def __init__(self, path: Path, descriptor: int, clock: Callable[[], float]) -> None:
        self.path = path
        self._descriptor = descriptor
        self._clock = clock
        self._flusher = _Flusher(descriptor)

    @property
    def id(self) -> str:
        return self.path.stem

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        suffix: Callable[[], str] = lambda: secrets.token_hex(2),
    ) -> SessionLog:
        """A new, empty session; sessions begun at the same moment get different ids.

        Raises:
            SessionError: If the file cannot be made.
        """
        make_private(folder)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        while True:
            moment = datetime.fromtimestamp(clock(), UTC).strftime("%Y%m%d-%H%M%S-%f")
            path = folder / f"{moment}-{suffix()}{_SUFFIX}"
            try:
                descriptor = os.open(path, flags, 0o600)
            except FileExistsError:
                continue
            except OSError as err:
                raise SessionError(f"cannot write the session {path}: {err.strerror}") from err
            return cls(path, _locked(descriptor, path), clock)

    @classmethod
    def resume(
        cls, folder: Path, session: str, *, clock: Callable[[], float] = time.time
    ) -> SessionLog:
        """An earlier session, to be continued; what a kill left of its last line is cut off.

        Raises:
            SessionError: If there is none, or another process has it open.
        """
        path = _path(folder, session)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError as err:
            raise SessionError(f"cannot write the session {path}: {err.strerror}") from err
        log = cls(path, _locked(descriptor, path), clock)
        os.ftruncate(descriptor, _whole_bytes(path.read_bytes()))
        return log

    def append(self, record: Mapping[str, object]) -> None:
        """Add one line, with the time as `t`; from then on it survives the end of this process.

        Raises:
            SessionError: If it could not be written; the file then holds what it held before.
        """
        line = json.dumps({"t": round(self._clock(), 3), **record}, separators=(",", ":"))
        before = os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, line.encode("ascii") + b"\n")
        except OSError as err:
            os.ftruncate(self._descriptor, before)
            raise SessionError(f"cannot write the session {self.path}: {err.strerror}") from err
        self._flusher.wanted()

    def close(self) -> None:
        """Finish; another process may resume from now on. Safe to call twice."""
        if self._descriptor >= 0:
            self._flusher.close()
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Flusher:
    """Flushes a file some time after it was asked to, and before it is closed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._asked = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def wanted(self) -> None:
        self._asked.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="session-flush", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Flush what is left. Nothing may be asked for afterwards."""
        self._closing = True
        self._asked.set()
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        while not self._closing:
            self._asked.wait()
            self._asked.clear()
            # A disk that refuses says so to whoever writes next.
            with contextlib.suppress(OSError):
                os.fsync(self._descriptor)


def last_mode(records: Iterable[Mapping[str, object]]) -> Mode | None:
    """The approval mode in which a session ended; None where none was written down."""
    mode: Mode | None = None
    for record in records:
        match record:
            case {
                "event": "session_started" | "mode_set",
                "mode": "ask" | "auto" | "plan" as mode,
            }:
                continue
            case _:
                continue
    return mode


def list_sessions(folder: Path) -> list[SessionFile]:
    """All sessions of a repository, the newest first."""
    found = []
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            status = path.stat()
        except OSError:  # gone meanwhile, or a link that leads nowhere
            continue
        found.append(
            SessionFile(
                id=path.stem, path=path, size_bytes=status.st_size, changed_at=status.st_mtime
            )
        )
    return sorted(found, key=lambda session: session.id, reverse=True)


def read_session(folder: Path, session: str) -> list[dict[str, object]]:
    """The records of a session, oldest first, without what a kill left of the last line.

    Raises:
        SessionError: If there is no such session, or a line in its middle is damaged.
    """
    path = _path(folder, session)
    try:
        data = path.read_bytes()
    except OSError as err:
        raise SessionError(f"cannot read the session {path}: {err.strerror}") from err
    records = []
    for number, line in enumerate(data[: _whole_bytes(data)].splitlines(), start=1):
        record = _record(line)
        if record is None:
            raise SessionError(
                f"{path}:{number}: this line of the session is damaged; "
                "remove the line to read the rest"
            )
        records.append(record)
    return records


def last_conversation(folder: Path) -> str | None:
    """The id of the newest session in which anything was said; None if there is none."""
    for session in list_sessions(folder):
        try:
            records = read_session(folder, session.id)
        except SessionError:
            continue
        if any(record.get("event") == "message" for record in records):
            return session.id
    return None


def sweep_sessions(folder: Path, *, retention_days: int, now: float) -> list[str]:
    """Remove sessions that were not written to for longer; running ones stay. Gives their ids."""
    removed = []
    for session in list_sessions(folder):
        old = session.changed_at < now - retention_days * _DAY_S
        if old and _remove_unless_open(session.path):
            removed.append(session.id)
    return removed


def _remove_unless_open(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _path(folder: Path, session: str) -> Path:
    """The file of a session, named by its id or by the beginning of only one id."""
    if _ID.fullmatch(session):
        exact = folder / f"{session}{_SUFFIX}"
        begin_so = [exact] if exact.exists() else list(folder.glob(f"{session}*{_SUFFIX}"))
        if len(begin_so) == 1:
            return begin_so[0]
        if begin_so:
            raise SessionError(f"{len(begin_so)} sessions begin with {session!r}; give more of it")
    raise SessionError(f"there is no session {session!r}; see `elagent sessions ls`")


def _locked(descriptor: int, path: Path) -> int:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        os.close(descriptor)
        raise SessionError(f"the session {path.stem} is open in another process") from err
    return descriptor


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _whole_bytes(data: bytes) -> int:
    """Count the bytes of a file up to the end of its last whole line.

    After a power cut the last line may have its length but not its content.
    """
    end = data.rfind(b"\n") + 1
    begin = data.rfind(b"\n", 0, max(end - 1, 0)) + 1
    return begin if end and _record(data[begin:end]) is None else end


def _record(line: bytes) -> dict[str, object] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
