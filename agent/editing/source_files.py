"""Reads and writes files of the repository as text, and checks their paths.

Paths come from model output, so each is checked to stay inside the repository.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import unicodedata
from pathlib import Path, PurePosixPath

from agent.editing.text_file import TextFile, decode
from agent.errors import AgentError

_NEW_FILE_MODE = 0o666
_JOINERS = "\u200c\u200d"
"""Invisible, and letters of their own in Persian, Hindi and in emoji."""
_LONGEST_NAME = 255
_MOST_FOLDERS = 200


class SourceFileError(AgentError):
    """A file of the repository cannot be read as text, or cannot be written."""


class OutsideRepositoryError(SourceFileError):
    """A path leads out of the repository, or into a folder that edits may not touch."""


_TEST_FOLDERS = frozenset({"tests", "test", "__tests__", "spec"})
_TEST_NAME = re.compile(
    r"test_.*\.py|tests?\.py|.*_test\.(?:py|go|cc|cpp|rb|exs)|conftest\.py|.*\.(?:test|spec)\.[cm]?[jt]sx?"
    r"|.*_spec\.rb|.*Tests?\.(?:java|kt|cs)|(?:test_.*|tests?|.*_tests?)\.(?:c|cc|cpp|cxx|rs)|tests?\.[cm]?[jt]sx?"
)


def is_test_path(path: str) -> bool:
    """True if the file belongs to the tests by its name or folder."""
    parts = PurePosixPath(path).parts
    name = parts[-1] if parts else ""
    in_tests = any(part in _TEST_FOLDERS for part in parts[:-1])
    return in_tests or _TEST_NAME.fullmatch(name) is not None


def resolve_inside(root: Path, path: str) -> Path:
    """The target of a relative path, with symbolic links followed.

    Raises:
        OutsideRepositoryError: If that is not a place for a regular file inside the repository.
    """
    parts = _parts(path)
    if len(parts) > _MOST_FOLDERS:
        raise OutsideRepositoryError(f"{path[:60]}... has more than {_MOST_FOLDERS} folders")
    home = root.resolve()
    try:
        target = (home / path).resolve()
    except (OSError, RuntimeError) as err:  # a loop of symbolic links, up to Python 3.12
        raise OutsideRepositoryError(f"{path} cannot be followed: {err}") from err
    if any(each.is_symlink() for each in (target, *target.parents)):
        raise OutsideRepositoryError(f"{path} cannot be followed: a loop of symbolic links")
    if not target.is_relative_to(home) or target == home:
        raise OutsideRepositoryError(f"{path} leads out of the repository")
    inner = target.relative_to(home).parts
    if any(part.casefold() == ".git" for part in (*parts, *inner)):
        raise OutsideRepositoryError(f"{path} belongs to git and is never written")
    if any(parent.is_file() for parent in target.parents):
        raise OutsideRepositoryError(f"{path} cannot be made: a file stands where its folder would")
    if target.exists() and not target.is_file():
        raise OutsideRepositoryError(f"{path} is not a regular file")
    return target


def _parts(path: str) -> tuple[str, ...]:
    """The folders and the name of a relative path.

    Raises:
        OutsideRepositoryError: If a regular file could not have it.
    """
    parts = PurePosixPath(path).parts
    if not path.strip() or "\\" in path or PurePosixPath(path).is_absolute() or ".." in parts:
        raise OutsideRepositoryError(f"{path!a} is not a relative path inside the repository")
    if hidden := next((c for c in path if not _is_for_names(c)), ""):
        raise OutsideRepositoryError(f"{path!a} has {hidden!a}, which no file's name should have")
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in parts):
        raise OutsideRepositoryError(f"{path} has a part that is too long for a file's name")
    return parts


def twin_of(target: Path) -> str:
    """The name of a file beside a new one that is the same but for how its accents are stored."""
    form = unicodedata.normalize("NFC", target.name)
    try:
        names = [entry.name for entry in target.parent.iterdir()]
    except OSError:
        return ""
    fits = (name for name in names if unicodedata.normalize("NFC", name) == form)
    return next((name for name in fits if name != target.name), "")


def _is_for_names(character: str) -> bool:
    """True if a character may be in a path: none that controls, reorders or is no text."""
    if character in _JOINERS:
        return True
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def is_python(target: Path) -> bool:
    """True for a file whose encoding Python's own rules decide."""
    return target.suffix in (".py", ".pyi", ".pyw")


def read_text_file(target: Path) -> TextFile:
    """A file as text.

    Raises:
        SourceFileError: If it cannot be read, or is not text.
    """
    try:
        return decode(target.read_bytes(), is_python=is_python(target))
    except OSError as err:
        raise SourceFileError(f"{target.name} cannot be read: {err.strerror}") from err
    except (UnicodeDecodeError, SyntaxError, LookupError) as err:
        raise SourceFileError(f"{target.name} is not text in a known encoding") from err


def write_atomically(target: Path, data: bytes) -> None:
    """Replace or create a file so that it has its old or its new content at every moment.

    The mode of an existing file stays; missing folders are made.

    Raises:
        SourceFileError: If the file system refuses.
    """
    partial = target.with_name(f".{secrets.token_hex(10)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
        try:
            _write_synced(partial, data, mode)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(target.parent)
    except OSError as err:
        raise SourceFileError(f"{target.name} cannot be written: {err.strerror}") from err


def _write_synced(partial: Path, data: bytes, mode: int | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(partial, flags, _NEW_FILE_MODE), "wb") as stream:
        stream.write(data)
        if mode is not None:
            os.fchmod(stream.fileno(), mode)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
