"""Applies SEARCH/REPLACE edits to a file, each at the only place with the same or alike lines.

Alike lines differ in white space, quotes or comments only (`agent.editing.alike`). A place that
differs in a name, a number, an operator or a text is no match: places are never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.editing.alike import Lines

_MISSING = "does not occur in the file; copy the lines exactly as they are"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One SEARCH/REPLACE block: lines to find, and their replacement."""

    search: str
    replace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """The new text of the file."""

    text: str
    notes: tuple[str, ...] = ()
    """Notes for the person on blocks that matched alike lines only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReplaced:
    """Reason why a block cannot be applied; for the person and for the model."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Place:
    start: int
    length: int
    note: str = ""


def replace_hunks(text: str, hunks: Sequence[Hunk], *, path: str = "") -> Replaced | NotReplaced:
    """The text after all blocks in order, or the reason why one cannot be applied.

    The ending of `path` tells the language, and so the meaning of white space and quotes.
    """
    notes: list[str] = []
    for number, hunk in enumerate(hunks, start=1):
        which = f"SEARCH block {number}" if len(hunks) > 1 else "the SEARCH block"
        search, replace = _lines(hunk.search), _lines(hunk.replace)
        if not any(line.strip() for line in search):
            if text.strip():
                return NotReplaced(reason=f"{which} is empty, but the file is not")
            text = hunk.replace
            continue
        lines = _lines(text)
        place = _find(lines, search, path)
        if isinstance(place, str):
            return NotReplaced(reason=f"{which} {place}")
        if place.note:
            notes.append(f"{which} {place.note}")
        found = lines[place.start : place.start + place.length]
        put = _reindented(replace, search, found)
        ends = text.endswith("\n")
        text = "\n".join([*lines[: place.start], *put, *lines[place.start + place.length :]])
        text += "\n" if text and ends else ""
    return Replaced(text=text, notes=tuple(notes))


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _find(lines: Sequence[str], search: Sequence[str], path: str) -> _Place | str:
    """The only place for a block, or the reason why there is none."""
    exact = _matches(len(lines), search, lambda number, line: lines[number] == line)
    if len(exact) == 1:
        return _Place(exact[0], len(search))
    if len(exact) > 1:
        return f"occurs {len(exact)} times in the file; add lines around it so that it occurs once"
    core, known = _trimmed(search), Lines(lines, path)
    if all(map(known.is_comment, core)):
        return _MISSING
    loose = _matches(len(lines), core, known.alike)
    if len(loose) == 1:
        where = f"matches line {loose[0] + 1} but for white space, quotes or comments"
        return _Place(loose[0], len(core), where)
    if len(loose) > 1:
        return (
            f"occurs {len(loose)} times but for white space; "
            "copy it exactly, with lines around it so that it occurs once"
        )
    return _MISSING


def _matches(count: int, search: Sequence[str], is_line: Callable[[int, str], bool]) -> list[int]:
    """The places among `count` lines where each line of the block is the line there."""
    return [
        start
        for start in range(count - len(search) + 1)
        if all(is_line(start + offset, line) for offset, line in enumerate(search))
    ]


def _trimmed(search: Sequence[str]) -> list[str]:
    """The block without the blank lines around it."""
    full = [number for number, line in enumerate(search) if line.strip()]
    return list(search[full[0] : full[-1] + 1])


def _reindented(replace: Sequence[str], search: Sequence[str], found: Sequence[str]) -> list[str]:
    """The new lines, moved by as much as the block was indented differently from the file."""
    wanted, has = _indent(search), _indent(found)
    if wanted == has:
        return list(replace)
    moved = []
    for line in replace:
        body = line.removeprefix(wanted) if wanted else line
        fits = line.startswith(wanted)
        moved.append(f"{has}{body}" if fits and line.strip() else line)
    return moved


def _indent(lines: Sequence[str]) -> str:
    first = next((line for line in lines if line.strip()), "")
    return first[: len(first) - len(first.lstrip())]
