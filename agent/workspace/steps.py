"""Makes a turn a step of `undo`, and undoes it without guessing."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from agent.errors import UndoRefusedError
from agent.workspace.editing import editing
from agent.workspace.journal import Journal, OpenTurn, UndoStep
from agent.workspace.snapshots import ABSENT, Change, Snapshots

_NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Result of an undo or redo."""

    label: str
    """Label of the turn that was undone or redone."""
    paths: tuple[str, ...]
    """Files that were written or removed."""
    left_alone: tuple[str, ...] = ()
    """Other files that changed since; they were not touched."""
    not_held: tuple[str, ...] = ()
    """Ignored files that changed in the turn and were not restored: no snapshot holds them."""
    safety: str
    """Snapshot from just before, with all files."""


def step_of(snapshots: Snapshots, turn: OpenTurn, *, cut_off: bool) -> UndoStep | None:
    """The step of a turn that ends now; None if it has nothing to undo.

    Ignored files that the agent did not write are bystanders: whoever changes them while a turn
    runs (a server its log, a program its database) goes on doing so.
    """
    written = frozenset(map(os.fsencode, turn.written))
    after = snapshots.take(turn.label, also=turn.before, written=written)
    changed = snapshots.changes(turn.before, after)
    old, new = snapshots.note(turn.before), snapshots.note(after)
    bystanders = {
        path
        for path, change in changed.items()
        if (path in old.ignored or not change.old.mode)
        and (path in new.ignored or not change.new.mode)
    } - written
    if not changed.keys() - bystanders:
        return None
    if cut_off and _is_known(turn):
        return _own_part(snapshots, turn, after, changed)
    return UndoStep(
        before=turn.before,
        after=after,
        label=turn.label,
        cut_off=cut_off,
        bystanders=decoded(bystanders),
        not_held=decoded(_moved(old.left_out, new.left_out)),
    )


def _is_known(turn: OpenTurn) -> bool:
    """True if the agent's writes in a turn can be told from other changes."""
    return turn.contents is not None and set(turn.written) <= turn.contents.keys()


def _own_part(
    snapshots: Snapshots, turn: OpenTurn, after: str, changed: Mapping[bytes, Change]
) -> UndoStep | None:
    """The files of a killed turn that are still, byte for byte, as the agent wrote them."""
    held = [path for path, change in changed.items() if change.new.mode]
    contents = snapshots.contents([changed[path].new.blob for path in held])
    own = {
        path
        for path, content in zip(held, contents, strict=True)
        if turn.wrote(os.fsdecode(path), content)
    }
    if not own:
        return None
    return UndoStep(before=turn.before, after=after, label=turn.label, only=decoded(own))


def undone(snapshots: Snapshots, journal: Journal, *, force: bool) -> tuple[Journal, Restored]:
    """Take back the last step of a journal; see `Workspace.undo`."""
    if not journal.cursor:
        raise UndoRefusedError("there is nothing to undo")
    index = journal.cursor - 1
    step = journal.steps[index]
    if step.cut_off and not force:
        raise UndoRefusedError(
            f"the turn {step.label!r} was cut off, so its changes cannot be told apart "
            "from later ones",
            forced="takes back everything since it began",
        )
    with editing(snapshots.root):
        restored, edited = move(snapshots, step, step.after, step.before, force=force)
    if edited or step.cut_off:
        # Redo shall bring back also what was edited after the turn.
        step = replace(edited or step, cut_off=False)
        journal = journal.amended(index, replace(step, after=restored.safety))
    return journal.moved(index), restored


def redone(snapshots: Snapshots, journal: Journal, *, force: bool) -> tuple[Journal, Restored]:
    """Bring back the step of a journal that was undone last; see `Workspace.redo`."""
    if journal.cursor >= len(journal.steps):
        raise UndoRefusedError("there is nothing to redo")
    step = journal.steps[journal.cursor]
    with editing(snapshots.root):
        restored, edited = move(snapshots, step, step.before, step.after, force=force)
    if edited:
        edited = replace(edited, before=restored.safety)
        journal = journal.amended(journal.cursor, edited)
    return journal.moved(journal.cursor + 1), restored


def move(
    snapshots: Snapshots, step: UndoStep, source: str, target: str, *, force: bool
) -> tuple[Restored, UndoStep | None]:
    """Bring the files of a step from the state `source` to `target`.

    Bystanders are left alone unless it is forced. Gives also the step narrowed to the files that
    were moved, if it had to be forced.

    Raises:
        UndoRefusedError: If a file of the step changed since; nothing is touched then.
    """
    now = snapshots.take(f"around {step.label}", also=target)
    turn = snapshots.changes(source, target)
    own = set(map(os.fsencode, step.only)) or set(turn)
    bystanders = set(map(os.fsencode, step.bystanders))
    if not force:
        own -= bystanders
    differing = snapshots.changes(now, target)
    wanted = {path: change for path, change in differing.items() if path in own}
    moved_on = {p for p in wanted if p not in turn or wanted[p].old != turn[p].old}
    if moved_on and not force:
        raise UndoRefusedError(
            f"{few(moved_on)} changed since {step.label!r}, so nothing was touched",
            forced="overwrites these later changes (redo or undo brings them back)",
        )
    paths = snapshots.apply(wanted)
    restored = Restored(
        label=step.label,
        paths=decoded(paths),
        left_alone=decoded(set(differing) - own),
        not_held=step.not_held,
        safety=now,
    )
    forced = moved_on or (bystanders & own)
    return restored, replace(step, only=decoded(own), bystanders=()) if forced else None


def decoded(paths: Collection[bytes]) -> tuple[str, ...]:
    """Names as Python has them, sorted."""
    return tuple(os.fsdecode(path) for path in sorted(paths))


def _moved(old: Mapping[bytes, str], new: Mapping[bytes, str]) -> set[bytes]:
    """Paths left out at either end that changed."""
    missed = (*(path for path, why in old.items() if why), *(p for p, why in new.items() if why))
    return {
        path
        for path in missed
        if old.get(path) != new.get(path) and ABSENT not in (old.get(path), new.get(path))
    }


def few(paths: Collection[bytes]) -> str:
    """The first few names, and how many more there are."""
    names = decoded(paths)
    rest = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
