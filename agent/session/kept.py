"""Lists and removes the stored state of a user's repositories.

Experiences and adapters cannot be made again, so they are removed only on request. State that a
living process uses is never removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.errors import WorkspaceError
from agent.locks import try_lock
from agent.paths import Paths, RepositoryPaths

EXPERIENCES = "experiences"
ADAPTERS = "adapters"
_LOCKED = (
    *("sessions/*.jsonl", "shadow.git/elagent.lock", "shadow.git/turns/*", "learn/*.lock"),
    *("learn/.lock", "unjudged/*.new"),
)
_UNJUDGED = "unjudged/*.json"
_GONE = ".purged-"
_UNREADABLE = (OSError, ValueError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryState:
    """The stored state of one repository."""

    name: str
    home: Path
    root: str
    """The repository's folder; empty if it is not known."""
    sizes: Mapping[str, int]
    """Bytes by kind: snapshots, sessions, experiences, adapters, other."""
    used_at: float
    """Seconds since the epoch."""
    in_use: str
    """Reason why nothing may be removed now; empty if it may."""

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes.values())


def kept(paths: Paths) -> list[RepositoryState]:
    """The stored states of all repositories, the largest first."""
    if not paths.repositories.is_dir():
        return []
    homes = [folder for folder in paths.repositories.iterdir() if folder.is_dir()]
    found = [_look(RepositoryPaths(home)) for home in homes if not home.is_symlink()]
    return sorted(found, key=lambda item: (-item.size_bytes, item.name))


def remove(item: RepositoryState, *, with_: frozenset[str] = frozenset()) -> int:
    """Remove a repository's state, with the experiences or adapters in `with_`; returns the bytes.

    Raises:
        WorkspaceError: If the state is in use by now, or the file system refuses.
    """
    if reason := _in_use(item.home):
        raise WorkspaceError(f"{item.name} is not removed: {reason}")
    doomed = [path for path in _entries(item.home) if _kind(path.name) not in _spared(with_)]
    before = sum(_size(path) for path in doomed)
    try:
        for path in doomed:
            # First out of sight, so that no half of it is ever read.
            hidden = path if path.name.startswith(_GONE) else path.with_name(_GONE + path.name)
            path.rename(hidden)
            _delete(hidden)
        with contextlib.suppress(OSError):
            item.home.rmdir()  # only if nothing was spared
    except OSError as err:
        raise WorkspaceError(f"{item.name} could not be removed: {err}") from err
    return before


def _spared(with_: frozenset[str]) -> set[str]:
    return {EXPERIENCES, ADAPTERS} - with_


def _look(repository: RepositoryPaths) -> RepositoryState:
    home = repository.home
    sizes: dict[str, int] = {}
    for path in _entries(home):
        kind = _kind(path.name)
        sizes[kind] = sizes.get(kind, 0) + _size(path)
    return RepositoryState(
        name=home.name,
        home=home,
        root=_root(repository),
        sizes=sizes,
        used_at=max((_changed_at(path) for path in (home, *_recent(home))), default=0.0),
        in_use=_in_use(home),
    )


def _kind(name: str) -> str:
    if name.removeprefix(_GONE).startswith("experiences.sqlite3"):
        return EXPERIENCES
    known = {"shadow.git": "snapshots", "sessions": "sessions", "adapters": ADAPTERS}
    return known.get(name, "other")


def _root(repository: RepositoryPaths) -> str:
    """The folder as its last session named it."""
    for path in sorted(repository.sessions.glob("*.jsonl"), reverse=True):
        with contextlib.suppress(*_UNREADABLE), path.open("rb") as file:
            root = json.loads(file.readline()).get("root")
            if isinstance(root, str) and root:
                return root
    return ""


def _in_use(home: Path) -> str:
    if next(home.glob(_UNJUDGED), None):
        return "a killed run has left an edit there; run `elagent diff` in it first"
    places = (place for pattern in _LOCKED for place in home.glob(pattern))
    if any(_is_locked(place) for place in places if place.is_file()):
        return "it is in use"
    return ""


def _is_locked(place: Path) -> bool:
    try:
        lock = try_lock(place)
    except OSError:
        return False
    if lock is None:
        return True
    os.close(lock)
    return False


def _entries(home: Path) -> list[Path]:
    try:
        return sorted(home.iterdir())
    except OSError:
        return []


def _recent(home: Path) -> Iterator[Path]:
    yield from _entries(home)
    yield from (home / "sessions").glob("*.jsonl")


def _size(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        with contextlib.suppress(OSError):
            return path.lstat().st_size
        return 0
    return sum(_size(Path(folder, name)) for folder, _, names in os.walk(path) for name in names)


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files below a folder; no link is followed below."""
    return _size(path.resolve())


def _changed_at(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.lstat().st_mtime
    return 0.0


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
