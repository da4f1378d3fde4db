"""Reads, writes and removes the user's files on disk.

Names are bytes, since file names need not be UTF-8. Symbolic links are never followed.
"""

# Names are bytes, which pathlib does not take.
# ruff: noqa: PTH102, PTH105, PTH106, PTH108, PTH112, PTH114, PTH118, PTH120, PTH211

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

LINK = 0o120000
EXECUTABLE = 0o100755
"""Modes as git writes them; every other file is 0o100644."""

TEMPORARY_PREFIX = b".elagent-tmp-"
"""Prefix of files that only a killed process leaves behind; they never count as the user's."""


def is_leftover(path: bytes) -> bool:
    """True for a temporary file that a killed process of ours left."""
    return path.rpartition(b"/")[2].startswith(TEMPORARY_PREFIX)


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder whose files are named by relative bytes paths."""

    root: Path
    _base: bytes = field(init=False, repr=False, compare=False)
    _real_folders: dict[bytes, bool] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_base", os.path.join(os.fsencode(self.root), b""))

    def place(self, path: bytes) -> bytes:
        return self._base + path

    def covers(self, path: bytes) -> bool:
        """True if the path is a regular file or a link, and no folder above it is a link."""
        try:
            mode = os.lstat(self.place(path)).st_mode
            return (stat.S_ISREG(mode) or stat.S_ISLNK(mode)) and self._reached_directly(path)
        except OSError:
            return False

    def covered(self, paths: Iterable[bytes]) -> set[bytes]:
        """The paths that are a file or link on disk now."""
        self._real_folders.clear()
        return {path for path in paths if self.covers(path)}

    def sizes(self, paths: Iterable[bytes]) -> dict[bytes, int]:
        """The sizes of those files that are there, in bytes."""
        found = {}
        for path in paths:
            with contextlib.suppress(OSError):
                found[path] = os.lstat(self.place(path)).st_size
        return found

    def folders(self, paths: Iterable[bytes]) -> set[bytes]:
        """The paths that are folders."""
        return {path for path in paths if stat.S_ISDIR(self._mode(path) or 0)}

    def _reached_directly(self, path: bytes) -> bool:
        parent = path.rpartition(b"/")[0]
        if not parent:
            return True
        if parent not in self._real_folders:
            self._real_folders[parent] = all(
                stat.S_ISDIR(os.lstat(self.place(folder)).st_mode) for folder in parents(path)
            )
        return self._real_folders[parent]

    def obstacle(self, path: bytes, *, leaving: set[bytes]) -> bytes | None:
        """The obstacle to writing `path`, once the files `leaving` are gone."""
        for parent in parents(path):
            mode = self._mode(parent)
            if mode is not None and not stat.S_ISDIR(mode):
                return None if parent in leaving else parent
        mode = self._mode(path)
        if mode is None or stat.S_ISREG(mode) or stat.S_ISLNK(mode):
            return None
        if not stat.S_ISDIR(mode):
            return path
        return next((inside for inside in self._inside(path) if inside not in leaving), None)

    def _mode(self, path: bytes) -> int | None:
        try:
            return os.lstat(self.place(path)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _inside(self, folder: bytes) -> Iterable[bytes]:
        for place, folders, files in os.walk(self.place(folder)):
            base = os.path.relpath(place, os.fsencode(self.root))
            links = [name for name in folders if os.path.islink(os.path.join(place, name))]
            yield from (os.path.join(base, name) for name in files + links)

    def write(self, path: bytes, content: bytes, *, mode: int, sync: bool) -> None:
        """Put a file or link in place atomically; other permission bits of a file stay.

        Without `sync` a power cut may lose it.
        """
        target = self.place(path)
        if not os.path.isdir(os.path.dirname(target)):
            for folder in parents(path):  # a thousand of them would be too much for makedirs
                with contextlib.suppress(FileExistsError):
                    os.mkdir(self.place(folder))
        if os.path.isdir(target) and not os.path.islink(target):
            self._remove_empty_folders(target)
        if mode == LINK:
            _replace_by_link(target, content)
        else:
            _replace_by_file(target, content, executable=mode == EXECUTABLE, sync=sync)

    def _remove_empty_folders(self, place: bytes) -> None:
        for folder, _, _ in os.walk(place, topdown=False):
            os.rmdir(folder)

    def remove(self, path: bytes) -> None:
        """Remove a file and the folders that it leaves empty."""
        os.unlink(self.place(path))
        for parent in parents(path, inner_first=True):
            try:
                os.rmdir(self.place(parent))
            except OSError:
                return


def parents(path: bytes, *, inner_first: bool = False) -> list[bytes]:
    """The folders above a relative path, the outermost first unless told otherwise."""
    parts = path.split(b"/")[:-1]
    outer_first = [b"/".join(parts[: end + 1]) for end in range(len(parts))]
    return outer_first[::-1] if inner_first else outer_first


def _replace_by_link(target: bytes, content: bytes) -> None:
    for temporary in _temporary_names(target):
        try:
            os.symlink(content, temporary)
        except FileExistsError:
            continue
        os.replace(temporary, target)
        return


def _replace_by_file(target: bytes, content: bytes, *, executable: bool, sync: bool) -> None:
    descriptor, temporary = _create_beside(target)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            fresh = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            os.fchmod(file.fileno(), _permissions(target, fresh, executable=executable))
            if sync:
                os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:  # an interruption, too
        os.unlink(temporary)
        raise


def _create_beside(target: bytes) -> tuple[int, bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    for temporary in _temporary_names(target):
        try:
            # Unlike mkstemp this lets the user's umask decide the mode.
            return os.open(temporary, flags, 0o666), temporary
        except FileExistsError:
            continue
    raise AssertionError("the names never end")


def _temporary_names(target: bytes) -> Iterator[bytes]:
    folder = os.path.dirname(target)
    for number in itertools.count():
        yield os.path.join(folder, TEMPORARY_PREFIX + b"%d-%d" % (os.getpid(), number))


def _permissions(target: bytes, fresh: int, *, executable: bool) -> int:
    try:
        now = os.lstat(target)
        mode = stat.S_IMODE(now.st_mode) if stat.S_ISREG(now.st_mode) else fresh
    except FileNotFoundError:
        mode = fresh
    if bool(mode & 0o100) == executable:
        return mode
    # Whoever may read it may execute it, as git does.
    return mode | (mode & 0o444) >> 2 if executable else mode & ~0o111
