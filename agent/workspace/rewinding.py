"""Takes back several steps of `undo` at once: all of them, or nothing where a file changed meanwhile."""

from __future__ import annotations

import os
from collections.abc import Sequence

from agent.errors import UndoRefusedError
from agent.workspace.editing import editing
from agent.workspace.journal import Journal, UndoStep
from agent.workspace.snapshots import Change, Entry, Snapshots
from agent.workspace.steps import Restored, decoded, few


def taken_back(
    snapshots: Snapshots, journal: Journal, steps: Sequence[UndoStep]
) -> tuple[Journal, Restored]:
    """Take back the last steps of a journal; see `Workspace.take_back`."""
    start = journal.cursor - len(steps)
    if not steps or journal.steps[max(start, 0) : journal.cursor] != tuple(steps):
        raise UndoRefusedError("the turns changed meanwhile; nothing was touched")
    with editing(snapshots.root):
        return journal.moved(start), _moved(snapshots, steps)


def _moved(snapshots: Snapshots, steps: Sequence[UndoStep]) -> Restored:
    """Bring the files of these steps, which follow one another, to where the first one found them.

    A file that somebody changed between two steps goes back to what the earliest step that wrote it
    found; bystanders are left alone.

    Raises:
        UndoRefusedError: If a file of a step changed since, or a step was cut off; nothing is touched.
    """
    first, last = steps[0], steps[-1]
    if cut_off := next((step.label for step in steps if step.cut_off), None):
        raise UndoRefusedError(
            f"the turn {cut_off!r} was cut off, so its changes cannot be told apart from later ones"
        )
    turns = [snapshots.changes(step.before, step.after) for step in steps]
    written = {path for turn in turns for path in turn}
    now = snapshots.take("before going back", also=last.after, written=written)
    wanted: dict[bytes, Change | None] = {}
    reached: dict[bytes, Entry] = {}
    moved_on: set[bytes] = set()
    for step, turn in reversed(list(zip(steps, turns, strict=True))):
        own = set(map(os.fsencode, step.only)) or set(turn)
        own = (own & turn.keys()) - set(map(os.fsencode, step.bystanders))
        back, ahead = snapshots.changes(now, step.before), snapshots.changes(now, step.after)
        for path in own:
            if path in reached:
                expected = reached[path] in (turn[path].old, turn[path].new)
            else:
                expected = path not in back or path not in ahead
            if not expected:
                moved_on.add(path)
            reached[path] = turn[path].old
            wanted[path] = back.get(path)
    if moved_on:
        raise UndoRefusedError(
            f"{few(moved_on)} changed since {first.label!r} by others than elagent, so nothing was"
            " touched; /undo goes back one turn at a time"
        )
    left = set(snapshots.changes(now, first.before)) - wanted.keys()
    paths = snapshots.apply({path: change for path, change in wanted.items() if change})
    return Restored(
        label=first.label,
        paths=decoded(paths),
        left_alone=decoded(left),
        not_held=tuple(sorted({path for step in steps for path in step.not_held})),
        safety=now,
    )
