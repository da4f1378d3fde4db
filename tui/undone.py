"""Carries out /undo and /redo, and tells their result in sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from agent.text import display_safe
from tui.taken import FilesPutBack, Told

if TYPE_CHECKING:
    from agent.session.rewinding import PastTurn
    from agent.workspace.workspace import Restored

_NAMES_SHOWN = 10
_FORCE = "force"


class Undoable(Protocol):
    """The part of a workspace that undoes and redoes."""

    def undo(self, *, force: bool = False) -> Restored: ...

    def redo(self, *, force: bool = False) -> Restored: ...


def undo_or_redo(workspace: Undoable, name: str, argument: str) -> str:
    """Carry out `/undo` or `/redo` with its argument; return a sentence about the result.

    Raises:
        WorkspaceError: If there is nothing to undo, or later work would be lost without `force`.
    """
    from agent.errors import UndoRefusedError

    if argument not in ("", _FORCE):
        return f"{name} knows no {display_safe(argument)!r}; choose: {name} [{_FORCE}]"
    work = workspace.undo if name == "/undo" else workspace.redo
    try:
        return in_one_line(name[1:], work(force=argument == _FORCE))
    except UndoRefusedError as err:
        return err.told(f"{name} {_FORCE}")


def turns_in_words(past_turns: Callable[[], Sequence[PastTurn]]) -> str:
    """List the turns of a session for `/rewind`."""
    from agent.session.rewinding import listed

    turns = past_turns()
    if not turns:
        return "nothing was done in this session yet that could be taken back"
    return f"{display_safe(listed(turns))}\n/rewind N goes back to before turn N"


def rewound(rewind: Callable[[int], Restored | None], argument: str) -> FilesPutBack | Told:
    """Carry out `/rewind N`; return sentences about the result.

    Raises:
        WorkspaceError: If the files cannot go back without guessing; nothing is changed then.
    """
    if not argument.isdecimal():
        return Told(text=f"{display_safe(argument)!r} is no turn; /rewind lists them")
    done = rewind(int(argument))
    again = f"the conversation goes on from before turn {int(argument)}"
    if done is None:
        return FilesPutBack(text=f"no file had changed since; {again}")
    redo = "/redo brings the files back, turn by turn, and not the conversation"
    return FilesPutBack(text=f"{in_one_line('rewind', done)}\n{again}; {redo}")


def in_one_line(what: str, done: Restored) -> str:
    """Name the turn and every restored file; add a line for files that were left as they are."""
    names = ", ".join(done.paths) or "no file differs"
    return "\n".join([display_safe(f"{what}: {done.label}: {names}"), *left_as_is(done)])


def left_as_is(done: Restored) -> list[str]:
    """Name the files that were not restored, with the reason, a line for each reason."""
    lines = []
    if done.left_alone:
        lines.append(f"changed by others and left alone: {_few(done.left_alone)}")
    if done.not_held:
        lines.append(
            f"left as they are, since git ignores them and they are too large: {_few(done.not_held)}"
        )
    return lines


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    shown = ", ".join(display_safe(name) for name in names[:_NAMES_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
