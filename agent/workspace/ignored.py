"""Selects the ignored files that a snapshot holds: settings and local data, but no caches.

Limits keep builds and downloads out of snapshots. Every omitted file or folder is named, so that undo
never guesses about it.
"""

# Names are bytes, which pathlib does not take.
# ruff: noqa: PTH208

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.workspace.worktree import Tree, is_leftover

_CACHES = frozenset(
    (
        *(
            b"node_modules",
            b"bower_components",
            b"__pycache__",
            b".venv",
            b"venv",
            b".tox",
            b".nox",
        ),
        *(b".mypy_cache", b".ruff_cache", b".pytest_cache", b".hypothesis", b".cache", b".gradle"),
        *(b".next", b".nuxt", b".parcel-cache", b".terraform", b".git", b".hg", b".svn"),
    )
)
_CACHE_MARKS = frozenset((b"CACHEDIR.TAG", b"pyvenv.cfg"))
"""Files that mark a folder which can be made anew: a cache or a virtual environment."""
_COMPILED = (b".pyc", b".pyo")

MAX_FILE_BYTES = 5 * 2**20
MAX_FOLDER_FILES = 1_000
MAX_FILES = 5_000
MAX_BYTES = 50 * 2**20

CACHE = ""
LARGE = "large"
"""Reason why a folder is left out; caches have an empty reason."""


@dataclass(slots=True, kw_only=True)
class KeptIgnored:
    """Ignored files that a snapshot holds and leaves out, in the form of `Covered`."""

    tree: Tree
    excluded: tuple[bytes, ...] = ()
    """Folders, with their slash, that are never held."""
    files: set[bytes] = field(default_factory=set)
    left_out: dict[bytes, str] = field(default_factory=dict)
    size_bytes: int = 0

    def add(self, path: bytes) -> None:
        """Keep a file; of a folder, whose name ends with a slash, everything or nothing."""
        if path.startswith(self.excluded):
            return
        if path.endswith(b"/"):
            self._add_folder(path)
        elif (status := self._status(path)) is not None:
            self._add_file(path, status)

    def _add_file(self, path: bytes, status: os.stat_result) -> None:
        if path.endswith(_COMPILED):
            self.left_out[path] = CACHE
        elif status.st_size > MAX_FILE_BYTES or not self._has_room(1, status.st_size):
            self.left_out[path] = _stamp(status)
        else:
            self.files.add(path)
            self.size_bytes += status.st_size

    def _add_folder(self, folder: bytes) -> None:
        small: list[bytes] = []
        left_out: dict[bytes, str] = {}
        size_bytes = 0
        for path, status in self._walk(folder):
            if status is None:
                left_out[path] = CACHE
            elif status.st_size > MAX_FILE_BYTES:
                left_out[path] = _stamp(status)
            else:
                small.append(path)
                size_bytes += status.st_size
            if len(small) > MAX_FOLDER_FILES or not self._has_room(len(small), size_bytes):
                self.left_out[folder] = LARGE
                return
        self.files.update(small)
        self.left_out |= left_out
        self.size_bytes += size_bytes

    def _has_room(self, files: int, size_bytes: int) -> bool:
        return len(self.files) + files <= MAX_FILES and self.size_bytes + size_bytes <= MAX_BYTES

    def _walk(self, top: bytes) -> Iterator[tuple[bytes, os.stat_result | None]]:
        """Every file below a folder; a cache comes as a folder and without a status."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            inside = self._inside(folder)
            if _is_cache(folder) or not _CACHE_MARKS.isdisjoint(inside):
                yield folder, None
                continue
            for name in inside:
                path = folder + name
                status = self._status(path)
                if status is None or is_leftover(path):
                    continue
                if not stat.S_ISDIR(status.st_mode):
                    yield path, status
                elif not (path + b"/").startswith(self.excluded):
                    waiting.append(path + b"/")

    def _inside(self, folder: bytes) -> list[bytes]:
        try:
            return sorted(os.listdir(self.tree.place(folder)))
        except OSError:
            return []

    def _status(self, path: bytes) -> os.stat_result | None:
        try:
            return os.lstat(self.tree.place(path))
        except OSError:
            return None


def _is_cache(folder: bytes) -> bool:
    name = folder.rstrip(b"/").rpartition(b"/")[2]
    return name in _CACHES or name.endswith(b".egg-info")


def _stamp(status: os.stat_result) -> str:
    """A text that changes when the file does."""
    return f"{status.st_size} {status.st_mtime_ns}"
