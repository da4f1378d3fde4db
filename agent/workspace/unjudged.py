"""Notes edits that are on disk while the tests judge them, so that a killed process leaves none behind.

A note is flushed to disk before its edit is written, and locked by the judging process. The next
process that opens the repository reverts the unjudged edits of a dead process, but only files that
hold exactly the bytes it wrote.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.editing.source_files import SourceFileError, write_atomically
from agent.locks import try_lock
from agent.paths import make_private

_SUFFIX = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    path: str
    old: bytes | None
    """None for a file that did not exist."""
    new: bytes
    folders: tuple[str, ...] = ()
    """Folders that were made for it, the innermost first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A note of one edit, until its verdict is known."""

    _place: Path
    _lock: int

    def done(self) -> None:
        """Remove the note: the edit was judged or reverted."""
        self._place.unlink(missing_ok=True)
        os.close(self._lock)


class Unjudged:
    """The notes of one folder."""

    def __init__(self, root: Path, notes: Path) -> None:
        self._root = root
        self._notes = notes

    def note(self, target: Path, new: bytes) -> Noted:
        """Note that a file is about to be replaced, or made.

        Raises:
            OSError: If the note cannot be kept; then the edit must not be written.
        """
        made = [folder for folder in target.parents if not folder.exists()]
        edit = _Edit(
            path=str(target.relative_to(self._root)),
            old=target.read_bytes() if target.exists() else None,
            new=new,
            folders=tuple(str(folder.relative_to(self._root)) for folder in made),
        )
        place = make_private(self._notes) / f"{uuid.uuid4().hex}{_SUFFIX}"
        partial = place.with_suffix(".new")
        lock = try_lock(partial)
        if lock is None:
            raise OSError(f"{partial} is locked")
        try:
            os.write(lock, json.dumps(_stored(edit)).encode())
            os.fsync(lock)
            partial.replace(place)
            _sync(self._notes)
        except BaseException:  # an interruption, too
            os.close(lock)
            partial.unlink(missing_ok=True)
            raise
        return Noted(_place=place, _lock=lock)

    def put_back(self) -> tuple[str, ...]:
        """Revert the unjudged edits of dead processes; returns a sentence for each file.

        Raises:
            SourceFileError: If the file system refuses; the note stays then.
        """
        said = []
        for place in sorted(self._notes.glob(f"*{_SUFFIX}")):
            with _held(place) as held:
                if not held:
                    continue  # it is being judged just now
                said.append(self._settle(place))
                if place.is_file():
                    place.unlink()
        return tuple(sentence for sentence in said if sentence)

    def _settle(self, place: Path) -> str:
        try:
            edit = _read(place)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            aside = place.with_suffix(".damaged")
            place.replace(aside)
            return (
                "an edit that was not judged could not be put back, since its note is damaged "
                f"({aside}): look at the last change with `elagent diff`"
            )
        target = self._root / edit.path
        if not _inside(target, self._root):
            return f"{edit.path} leads out of the repository now, so it was left as it is"
        _remove_partial(target, edit)
        now = _bytes(target)
        if now == edit.old:
            return ""
        if now != edit.new:
            return (
                f"{edit.path} was left as it is: it was edited after a run that was killed had "
                "changed it, and that change was never judged"
            )
        if edit.old is not None:
            write_atomically(target, edit.old)
        else:
            _remove(target, [self._root / folder for folder in edit.folders])
        return f"put back {edit.path}: a run that was killed had changed it, and not judged it"


@contextlib.contextmanager
def _held(place: Path) -> Iterator[bool]:
    try:
        lock = try_lock(place)
    except OSError:  # it is no file, so nobody holds it
        yield True
        return
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def _stored(edit: _Edit) -> dict[str, object]:
    return {
        "path": edit.path,
        "old": None if edit.old is None else base64.b64encode(edit.old).decode(),
        "new": base64.b64encode(edit.new).decode(),
        "folders": edit.folders,
    }


def _read(place: Path) -> _Edit:
    data = json.loads(place.read_bytes())
    old = data["old"]
    return _Edit(
        path=str(data["path"]),
        old=None if old is None else base64.b64decode(old, validate=True),
        new=base64.b64decode(data["new"], validate=True),
        folders=tuple(map(str, data["folders"])),
    )


def _inside(target: Path, root: Path) -> bool:
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        return target.resolve().is_relative_to(root) and not target.is_symlink()
    return False


def _bytes(target: Path) -> bytes | None:
    try:
        return target.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as err:
        raise SourceFileError(f"{target.name} cannot be read: {err.strerror}") from err


def _remove_partial(target: Path, edit: _Edit) -> None:
    """Remove a killed process's partial file beside the target, if it is a beginning of the content."""
    pattern = re.compile(rf"\.{re.escape(target.name[:100])}\.[0-9a-f]{{12}}\.tmp")
    with contextlib.suppress(OSError):
        for beside in target.parent.iterdir():
            if pattern.fullmatch(beside.name) and beside.is_file() and not beside.is_symlink():
                content = beside.read_bytes()
                if edit.new.startswith(content) or (edit.old or b"").startswith(content):
                    beside.unlink()


def _remove(target: Path, folders: list[Path]) -> None:
    try:
        target.unlink()
    except OSError as err:
        raise SourceFileError(f"{target.name} cannot be removed: {err.strerror}") from err
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
