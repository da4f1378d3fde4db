"""Whole-file edits: checked before they are applied, applied atomically, reverted exactly."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from agent.editing.guards import (
    elided_line,
    emptied_definition,
    new_syntax_problem,
    vanished_definitions,
    vanished_names,
)
from agent.editing.hunks import diff_lines
from agent.editing.source_files import (
    OutsideRepositoryError,
    SourceFileError,
    is_python,
    is_test_path,
    read_text_file,
    resolve_inside,
    twin_of,
    write_atomically,
)
from agent.editing.text_file import EncodingError, TextFile
from agent.reply.parsed import FileEdit

RefusalKind = Literal[
    "outside",
    "test_file",
    "stale",
    "namesake",
    "empty",
    "identical",
    "elided",
    "vanished",
    "syntax",
    "encoding",
    "no_match",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An edit that passed all checks."""

    path: str
    target: Path
    before: str | None
    """The text with Unix line ends, as the model reads it; None if the file does not exist yet."""
    after: str
    stored_before: str | None
    """The text with the file's own line ends; a diff of both texts is the one that git shows."""
    stored_after: str
    data: bytes
    """`stored_after` in the file's encoding."""

    @property
    def diff(self) -> str:
        return unified_diff(self.path, self.stored_before, self.stored_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An edit that a check refused; the reason is for the person and for the model."""

    path: str
    kind: RefusalKind
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """An edit on disk, with the bytes to revert it."""

    path: str
    target: Path
    old_data: bytes | None
    new_data: bytes


def check_edit(
    root: Path,
    edit: FileEdit,
    before: str | None,
    *,
    allow_test_edits: bool = False,
    may_vanish: Collection[str] = (),
) -> Accepted | Refused:
    """Check an edit; `before` is the text that the model was shown.

    `may_vanish` names definitions that the person asked to remove or rename.
    """
    try:
        target = resolve_inside(root, edit.path)
        stored = read_text_file(target) if target.exists() else None
        revised = _revised(target, stored, edit)
        data = revised.encode()
    except OutsideRepositoryError as err:
        return Refused(path=edit.path, kind="outside", reason=str(err))
    except (SourceFileError, EncodingError) as err:
        return Refused(path=edit.path, kind="encoding", reason=f"{edit.path}: {err}")
    relative = target.relative_to(root.resolve()).as_posix()
    if not allow_test_edits and (is_test_path(edit.path) or is_test_path(relative)):
        reason = f"{edit.path} is a test; tests are not edited unless that is allowed"
        return Refused(path=edit.path, kind="test_file", reason=reason)
    problem = (
        _other_than_shown(edit, target, stored, before)
        or _unchanged(edit, stored, revised)
        or _content_problem(edit, before)
        or _loss(edit, before or "", may_vanish)
    )
    return problem or Accepted(
        path=edit.path,
        target=target,
        before=before,
        after=revised.text,
        stored_before=stored.stored if stored else None,
        stored_after=revised.stored,
        data=data,
    )


def _revised(target: Path, stored: TextFile | None, edit: FileEdit) -> TextFile:
    if stored is None:
        return TextFile.new(edit.content, is_python=is_python(target))
    return stored.revised(edit.content, exact=edit.exact)


def apply_edit(accepted: Accepted) -> Applied:
    """Write the file; at every moment it is either old or new.

    Raises:
        SourceFileError: If it changed since it was checked, or cannot be written.
    """
    target = accepted.target
    try:
        old_data = target.read_bytes() if target.exists() else None
    except OSError as err:
        raise SourceFileError(f"{accepted.path} cannot be read: {err.strerror}") from err
    if (read_text_file(target).text if old_data is not None else None) != accepted.before:
        raise SourceFileError(f"{accepted.path} changed meanwhile; nothing was written")
    write_atomically(target, accepted.data)
    return Applied(path=accepted.path, target=target, old_data=old_data, new_data=accepted.data)


def revert_edit(applied: Applied) -> bool:
    """Put the old file back, byte for byte; False if somebody else has changed it since.

    Raises:
        SourceFileError: If the file system refuses.
    """
    target = applied.target
    try:
        if not target.exists() or target.read_bytes() != applied.new_data:
            return False
        if applied.old_data is None:
            target.unlink()
        else:
            write_atomically(target, applied.old_data)
    except OSError as err:
        raise SourceFileError(f"{applied.path} cannot be put back: {err.strerror}") from err
    return True


def unified_diff(path: str, before: str | None, after: str | None) -> str:
    """A diff that `git apply` understands; None stands for a file that does not exist."""
    if before == after:
        return ""
    lines = difflib.unified_diff(
        diff_lines(before or ""),
        diff_lines(after or ""),
        fromfile="/dev/null" if before is None else f"a/{path}",
        tofile="/dev/null" if after is None else f"b/{path}",
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _other_than_shown(
    edit: FileEdit, target: Path, stored: TextFile | None, before: str | None
) -> Refused | None:
    if (stored.text if stored else None) != before:
        how = "exists and was not shown" if before is None else "is not as it was shown"
        reason = f"{edit.path} {how} to the model; nothing was written"
        return Refused(path=edit.path, kind="stale", reason=reason)
    if stored is None and (twin := twin_of(target)):
        reason = f"{edit.path} looks the same as {twin!a}, which exists; nothing was written"
        return Refused(path=edit.path, kind="namesake", reason=reason)
    return None


def _unchanged(edit: FileEdit, stored: TextFile | None, revised: TextFile) -> Refused | None:
    if stored is None or revised.stored != stored.stored:
        return None
    reason = f"the reply gives {edit.path} back unchanged"
    return Refused(path=edit.path, kind="identical", reason=reason)


def _content_problem(edit: FileEdit, before: str | None) -> Refused | None:
    path, new = edit.path, edit.content
    if not new.strip() and PurePosixPath(path).name != "__init__.py":
        return Refused(path=path, kind="empty", reason=f"the reply leaves {path} empty")
    if line := elided_line(before or "", new, path=path):
        reason = f"the reply leaves code out of {path}: {line!r}"
        return Refused(path=path, kind="elided", reason=reason)
    if problem := new_syntax_problem(before, new, path=path):
        reason = f"{path} would not parse any more: {problem}"
        return Refused(path=path, kind="syntax", reason=reason)
    return None


def _loss(edit: FileEdit, before: str, may_vanish: Collection[str]) -> Refused | None:
    path, new = edit.path, edit.content
    if not path.endswith((".py", ".pyi")):
        gone = vanished_names(before, new, path=path, may_vanish=may_vanish)
        reason = f"the reply drops {', '.join(gone)} from {path}"
        return Refused(path=path, kind="vanished", reason=reason) if gone else None
    if name := emptied_definition(before, new):
        reason = f"the reply leaves out the body of {name} in {path}"
        return Refused(path=path, kind="elided", reason=reason)
    if gone := vanished_definitions(before, new, may_vanish=may_vanish):
        reason = f"the reply drops {', '.join(gone)} from {path}"
        return Refused(path=path, kind="vanished", reason=reason)
    return None
