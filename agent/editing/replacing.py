"""SEARCH/REPLACE edits put into a file: exact, else but for white space, else the nearest place.

Every rung of the ladder takes only a match that is the only one; nothing is ever guessed.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

NEAR = 0.9
"""Smallest similarity, from 0 to 1, at which a place counts as the one that was meant."""
_CLEARLY = 0.05
"""How much less similar the next best place has to be."""
_MOST_LINES_COMPARED = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One block: lines to find, and lines to put in their place."""

    search: str
    replace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """The new text of the file."""

    text: str
    notes: tuple[str, ...] = ()
    """Where a block was not found as it stands, for the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReplaced:
    """Why a block cannot be put in; for the person and for the model."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Place:
    start: int
    length: int
    note: str = ""


def replace_hunks(text: str, hunks: Sequence[Hunk]) -> Replaced | NotReplaced:
    """The text with all blocks put in one after the other, or the reason why that cannot be."""
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
        place = _find(lines, search)
        if isinstance(place, str):
            return NotReplaced(reason=f"{which} {place}")
        if place.note:
            notes.append(f"{which} {place.note}")
        found = lines[place.start : place.start + place.length]
        text = "\n".join(
            [
                *lines[: place.start],
                *_reindented(replace, search, found),
                *lines[place.start + place.length :],
            ]
        )
        text += "\n" if text else ""
    return Replaced(text=text, notes=tuple(notes))


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _find(lines: Sequence[str], search: Sequence[str]) -> _Place | str:
    """The only place for a block, or what is wrong with it."""
    exact = _matches(lines, search)
    if len(exact) == 1:
        return _Place(exact[0], len(search))
    if len(exact) > 1:
        return f"occurs {len(exact)} times in the file; add lines around it so that it occurs once"
    core = _trimmed(search)
    loose = _matches([line.strip() for line in lines], [line.strip() for line in core])
    if len(loose) == 1:
        where = f"matches line {loose[0] + 1} but for white space"
        return _Place(loose[0], len(core), where)
    if len(loose) > 1:
        return (
            f"occurs {len(loose)} times but for white space; "
            "copy it exactly, with lines around it so that it occurs once"
        )
    return _nearest(lines, core)


def _matches(lines: Sequence[str], search: Sequence[str]) -> list[int]:
    size = len(search)
    wanted = list(search)
    return [
        start
        for start in range(len(lines) - size + 1)
        if lines[start] == wanted[0] and list(lines[start : start + size]) == wanted
    ]


def _trimmed(search: Sequence[str]) -> list[str]:
    """Without the blank lines around it."""
    full = [number for number, line in enumerate(search) if line.strip()]
    return list(search[full[0] : full[-1] + 1])


def _nearest(lines: Sequence[str], search: Sequence[str]) -> _Place | str:
    """The one place that is nearly the same; windows of other lengths are not considered."""
    missing = "does not occur in the file; copy the lines exactly as they are"
    size = len(search)
    if len(lines) > _MOST_LINES_COMPARED or size > len(lines):
        return missing
    wanted = "\n".join(line.strip() for line in search)
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    scored: list[tuple[float, int]] = []
    for start in range(len(lines) - size + 1):
        matcher.set_seq1("\n".join(line.strip() for line in lines[start : start + size]))
        if matcher.real_quick_ratio() >= NEAR - _CLEARLY and (
            matcher.quick_ratio() >= NEAR - _CLEARLY
        ):
            scored.append((matcher.ratio(), start))
    scored.sort(reverse=True)
    if not scored or scored[0][0] < NEAR:
        return missing
    best, start = scored[0]
    rivals = [score for score, other in scored[1:] if score > best - _CLEARLY]
    if rivals:
        return "is like several places in the file and none exactly; copy the lines as they are"
    return _Place(start, size, f"is nearly line {start + 1} ({best:.0%} alike); taken as that")


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
