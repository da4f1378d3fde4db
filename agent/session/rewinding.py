"""Goes back to before an earlier turn of a session: its files and its conversation, in one step.

The session file says which turns there were and which state each began from; `Workspace` says whether
the files can go back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.errors import UndoRefusedError
from agent.workspace.journal import UndoStep

Ends = tuple[str, str]
"""The states before and after a step of `undo`."""


@dataclass(kw_only=True, slots=True)
class PastTurn:
    """One job of a session that could change files: a turn, a repair, files that a command brought."""

    number: int
    """From 1, as they are listed."""
    text: str
    """Its first words."""
    before: str
    """The state of the files before it."""
    last: Ends | None
    """The last step of `undo` before it; None if there was none."""
    files: list[str] = field(default_factory=list)
    """The files that it changed, and left changed."""


def turn_record(label: str, before: str, last: UndoStep | None) -> dict[str, object]:
    """The record that a session file holds of the beginning of a turn."""
    ends = [last.before, last.after] if last else []
    return {"event": "step_began", "label": label, "before": before, "last": ends}


def rewound_record(number: int) -> dict[str, object]:
    """The record that a session file holds of a return to before a turn."""
    return {"event": "rewound", "to": number}


def own_states(records: Iterable[Mapping[str, object]]) -> frozenset[str]:
    """The states from which turns of a session began, also of those that were taken back: they can be done again."""
    return frozenset(
        before
        for record in records
        if record.get("event") == "step_began" and isinstance(before := record.get("before"), str)
    )


def past_turns(records: Iterable[Mapping[str, object]]) -> list[PastTurn]:
    """The turns of a session that are not taken back, oldest first."""
    turns: list[PastTurn] = []
    for record in records:
        match record:
            case {"event": "step_began", "label": str(label), "before": str(before), "last": last}:
                turns.append(
                    PastTurn(number=len(turns) + 1, text=label, before=before, last=_ends(last))
                )
            case {"event": "rewound", "to": int(number)}:
                del turns[max(number - 1, 0) :]
            case {"event": "edit_applied", "path": str(path)} if turns:
                if path not in turns[-1].files:
                    turns[-1].files.append(path)
            case {"event": "edit_reverted", "path": str(path)} if turns:
                if path in turns[-1].files:
                    turns[-1].files.remove(path)
    return turns


def steps_to_take_back(
    turns: Sequence[PastTurn], number: int, steps: Sequence[UndoStep], own: Collection[str]
) -> tuple[UndoStep, ...]:
    """The steps of `undo` that came with a turn and after it; none if the files did not change.

    `own` are the states from which this session's turns began; see `own_states`.

    Raises:
        UndoRefusedError: If there is no such turn, the files are further back already, or a step is not
            this session's.
    """
    if not 1 <= number <= len(turns):
        raise UndoRefusedError(f"there is no turn {number} in this session; /rewind lists them")
    wanted = turns[number - 1]
    ends = [(step.before, step.after) for step in steps]
    if wanted.last is not None and wanted.last not in ends:
        raise UndoRefusedError(
            f"the files are not as turn {number} found and left them: earlier work was undone, or is"
            " too long ago; nothing was touched"
        )
    start = len(ends) - ends[::-1].index(wanted.last) if wanted.last is not None else 0
    later = tuple(steps[start:])
    if others := [step.label for step in later if step.before not in own]:
        raise UndoRefusedError(
            f"{others[-1]!r} came since and is not of this session, so nothing was touched; /undo goes"
            " back one turn at a time"
        )
    return later


def listed(turns: Sequence[PastTurn]) -> str:
    """The turns, a line each: number, first words, changed files."""
    lines = []
    for turn in turns:
        files = ", ".join(turn.files) if turn.files else "no file changed"
        lines.append(f"{turn.number:>3}  {' '.join(turn.text.split())}  ({files})")
    return "\n".join(lines)


def _ends(last: object) -> Ends | None:
    match last:
        case [str(before), str(after)]:
            return before, after
        case _:
            return None
