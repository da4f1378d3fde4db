"""Brings files that a command made or changed out of the sandbox, each only after a question.

Only paths declared before the command ran come back: the importer copies them into a staging folder,
the person sees the difference, and an allowed file replaces the old one in one step.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.approval import Decision, Question
from agent.editing.edits import unified_diff
from agent.editing.source_files import (
    SourceFileError,
    resolve_inside,
    write_atomically,
)
from agent.editing.text_file import decode
from agent.events import EditApplied, EditProposed, Notice
from agent.streaming import Emit
from sandbox.files.staging import stage
from sandbox.files.transfer import check_outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A file that may come back, with its content when the command began."""

    path: str
    target: Path
    before: bytes | None
    """None for a file that did not exist."""


def declare(root: Path, entering: Collection[str], paths: Sequence[str]) -> tuple[Declared, ...]:
    """Look at the files that shall come back; `entering` are those that go into the box.

    Raises:
        SourceFileError: If a path leads elsewhere, cannot be read, or is there but not in the box.
        TransferError: If nothing of that name ever comes out of a box.
    """
    return tuple(_declared(root, entering, path) for path in dict.fromkeys(paths))


def _declared(root: Path, entering: Collection[str], given: str) -> Declared:
    path = "/".join(check_outgoing(given))
    target = resolve_inside(root, path)
    if path not in entering and (target.exists() or (root / path).is_symlink()):
        raise SourceFileError(
            f"{path} exists and does not enter the sandbox, so what comes back would not be made "
            "from it; move it away first"
        )
    return Declared(path=path, target=target, before=_bytes(target))


def _bytes(target: Path) -> bytes | None:
    try:
        return target.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as err:
        raise SourceFileError(f"{target.name} cannot be read: {err.strerror}") from err


async def bring_back(
    declared: Sequence[Declared],
    collected: Mapping[str, bytes],
    *,
    decide: Callable[[Question], Awaitable[Decision]],
    emit: Emit,
) -> tuple[str, ...]:
    """Show, ask about and write each file that differs; names those that did not come back.

    Raises:
        TransferError: If what came out is too much; nothing was written then.
        SourceFileError: If a file cannot be written.
    """
    wanted = {item.path: item for item in declared}
    left: list[str] = []
    with tempfile.TemporaryDirectory(prefix="elagent-staging-") as folder:
        staging = Path(folder)
        staged = await asyncio.to_thread(stage, collected, staging)
        for path in sorted(wanted.keys() - set(staged)):
            emit(Notice(f"{path} is not a regular file in the sandbox; it stays as it was here"))
            left.append(path)
        for path in staged:
            after = await asyncio.to_thread((staging / path).read_bytes)
            if not await _offer(wanted[path], after, decide, emit):
                left.append(path)
    return tuple(left)


async def _offer(
    item: Declared, after: bytes, decide: Callable[[Question], Awaitable[Decision]], emit: Emit
) -> bool:
    """Offer one file; True if the file is here now as it was in the sandbox."""
    if after == item.before:
        emit(Notice(f"{item.path} is as it was"))
        return True
    diff = _difference(item.path, item.before, after)
    emit(EditProposed(item.path, diff))
    decision = await decide(Question(kind="edit", subject=item.path, detail=diff))
    if not decision.allowed:
        emit(Notice(f"{item.path} was not written: {decision.reason or 'declined'}"))
        return False
    if _bytes(item.target) != item.before:
        emit(Notice(f"{item.path} changed here meanwhile, so it was not written", "warning"))
        return False
    await asyncio.to_thread(write_atomically, item.target, after)
    emit(EditApplied(item.path, diff))
    return True


def _difference(path: str, before: bytes | None, after: bytes) -> str:
    """A diff of texts; the sizes of other files."""
    try:
        old = None if before is None else decode(before, is_python=False).stored
        return unified_diff(path, old, decode(after, is_python=False).stored)
    except UnicodeDecodeError:
        sizes = "new" if before is None else f"{len(before)} bytes before"
        return f"{path}: binary, {len(after)} bytes ({sizes})\n"
