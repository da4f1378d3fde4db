"""Lines that the model puts between their real neighbours, at the likeliest places.

One physical line is hidden at a time, and the tests' words stand above as a comment. Hiding the line
keeps a small model from copying it; infilling by whole lines suffers least from instruction tuning
(arXiv 2509.24637, 2505.18789).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agent.candidates.candidate import CandidateChange
from agent.editing.python_source import parse_python, source_lines
from agent.localisation.places import FaultPlace
from agent.model.protocol import Fill
from learning.records import Origin

Text = Callable[[str], str | None]
_BEFORE = 60
_WINDOW_STEP = 30
"""The text before a gap begins at a multiple of so many lines: gaps of one place share what is read first."""
_AFTER = 30
_MOST_PLACES = 12
_INSERTED_AT = 4
_LONGEST_PLACE = 6
_MOST_FILL_LINES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A hidden line, or a place for one more, and its neighbours as they are shown to the model."""

    path: str
    line: int
    """The line that is hidden; with `inserted` the one that the new line comes before."""
    inserted: bool
    indent: str
    hidden: str
    prefix: str
    suffix: str


def line_gaps(places: Sequence[FaultPlace], text: Text, comment: str) -> Iterator[Gap]:
    """The gaps of the likeliest places: each line once, and a new line before the first ones."""
    hidden: dict[tuple[str, int], Gap] = {}
    for place in places:
        lines = source_lines(text(place.path) or "")
        last = min(place.end_line, place.line + _LONGEST_PLACE - 1, len(lines))
        for number in range(place.line, last + 1):
            gap = _gap(place.path, lines, number, comment, inserted=False)
            if gap.hidden.strip():
                hidden.setdefault((place.path, number), gap)
        if len(hidden) >= _MOST_PLACES:
            break
    for count, ((path, number), gap) in enumerate(list(hidden.items())[:_MOST_PLACES]):
        yield gap
        if count < _INSERTED_AT:
            lines = source_lines(text(path) or "")
            yield _gap(path, lines, number, comment, inserted=True)


def _gap(path: str, lines: Sequence[str], number: int, comment: str, *, inserted: bool) -> Gap:
    line = lines[number - 1].rstrip("\n")
    body = line.lstrip()
    indent = line[: len(line) - len(body)]
    start = max(0, number - 1 - _BEFORE) // _WINDOW_STEP * _WINDOW_STEP
    before = "".join(lines[start : number - 1])
    after = "".join(lines[number - 1 if inserted else number :][:_AFTER])
    return Gap(
        path=path,
        line=number,
        inserted=inserted,
        indent=indent,
        hidden="" if inserted else body,
        prefix=f"{comment}{before}{indent}",
        suffix=f"\n{after}",
    )


def as_comment(words: str) -> str:
    """Words as Python comments, followed by an empty line."""
    return "".join(f"# {line}".rstrip() + "\n" for line in words.splitlines()) + "\n"


def filled_gap(gap: Gap, fill: Fill, text: Text) -> list[CandidateChange]:
    """The file with a gap filled: by the whole fill and, where that has several lines, by its first.

    A fill that changes nothing, is only a comment, or makes the file no Python gives none.
    """
    lines = _code_lines(fill.text)
    whole = "\n".join(lines[:_MOST_FILL_LINES])
    made = (_with_text(gap, new, fill, text) for new in dict.fromkeys([whole, *lines[:1]]))
    return [candidate for candidate in made if candidate is not None]


def _code_lines(fill: str) -> list[str]:
    """The lines of a fill without the comments and empty lines that it begins with."""
    lines = fill.rstrip().splitlines()
    while lines and (not lines[0].strip() or lines[0].lstrip().startswith("#")):
        lines = [lines[1].lstrip(), *lines[2:]] if len(lines) > 1 else []
    return lines


def _with_text(gap: Gap, new: str, fill: Fill, text: Text) -> CandidateChange | None:
    if not new or new == gap.hidden.rstrip():
        return None
    lines = source_lines(text(gap.path) or "")
    kept = lines[gap.line - 1 :] if gap.inserted else lines[gap.line :]
    after = "".join([*lines[: gap.line - 1], f"{gap.indent}{new}\n", *kept])
    if parse_python(after) is None:
        return None
    return CandidateChange(
        path=gap.path,
        line=gap.line,
        after=after,
        origin=Origin.INFILL,
        kind=f"{'put in' if gap.inserted else 'now'} {' '.join(new.split())}",
        likelihood=fill.logprob,
        changed_characters=abs(len(new) - len(gap.hidden)) + len(new) // 4,
        cost=2,
    )


def definition_gap(path: str, name: str, text: Text, comment: str) -> Gap:
    """The gap behind a module's last line, for a function that the tests want and nobody wrote."""
    lines = source_lines((text(path) or "").rstrip())
    before = "".join(lines[-_BEFORE * 2 :])
    return Gap(
        path=path,
        line=len(lines) + 1,
        inserted=True,
        indent="",
        hidden="",
        prefix=f"{comment}{before}\n\n\ndef {name}(",
        suffix="\n",
    )


def filled_definition(gap: Gap, name: str, fill: Fill, text: Text) -> CandidateChange | None:
    """The file with one more function at its end; None if the fill is no function."""
    body = f"def {name}({fill.text}"
    whole = re.split(r"\n(?=[^\s)\]}#])", body)[0].rstrip()
    after = f"{(text(gap.path) or '').rstrip()}\n\n\n{whole}\n"
    if parse_python(after) is None:
        return None
    return CandidateChange(
        path=gap.path,
        line=gap.line,
        after=after,
        origin=Origin.INFILL,
        kind=f"function {name} put in",
        likelihood=fill.logprob,
        changed_characters=len(whole),
    )
