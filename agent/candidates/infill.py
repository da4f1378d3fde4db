"""Lines that the model puts between their real neighbours, at the likeliest places.

One physical line is hidden at a time, and the tests' words stand above as a comment. Hiding the line
keeps a small model from copying it; infilling by whole lines suffers least from instruction tuning
(arXiv 2509.24637, 2505.18789).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agent.candidates.candidate import CandidateChange
from agent.editing.python_source import first_line, parse_python, source_lines
from agent.localisation.places import FaultPlace
from agent.model.protocol import Fill
from learning.records import Origin

Text = Callable[[str], str | None]
_BEFORE = 40
_WINDOW_STEP = 20
"""In a long function the text before a gap begins at a multiple of so many lines: gaps share what is read first."""
_AFTER = 12
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
    """The gaps of the likeliest places: each line once, and a new line before the first ones.

    A gap is shown within its function alone: what a model reads costs more time than what it fills in.
    """
    hidden: dict[tuple[str, int], tuple[FaultPlace, Gap]] = {}
    files: dict[str, _Source] = {}
    for place in places:
        source = files.setdefault(place.path, _Source.of(text(place.path) or ""))
        last = min(place.end_line, place.line + _LONGEST_PLACE - 1, len(source.lines))
        for number in range(place.line, last + 1):
            gap = source.gap(place, number, comment)
            if gap.hidden.strip():
                hidden.setdefault((place.path, number), (place, gap))
        if len(hidden) >= _MOST_PLACES:
            break
    for count, (place, gap) in enumerate(list(hidden.values())[:_MOST_PLACES]):
        yield gap
        if count < _INSERTED_AT:
            yield files[gap.path].gap(place, gap.line, comment, inserted=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A file as its lines and its functions."""

    lines: Sequence[str]
    functions: Sequence[tuple[int, int, int]]
    """First and last line of each function outside of others, and the line of its class or 0."""

    @classmethod
    def of(cls, text: str) -> _Source:
        tree = parse_python(text)
        found = _functions(tree.body, 0) if tree is not None else ()
        return cls(lines=source_lines(text), functions=tuple(found))

    def gap(self, place: FaultPlace, number: int, comment: str, *, inserted: bool = False) -> Gap:
        line = self.lines[number - 1].rstrip("\n")
        body = line.lstrip()
        indent = line[: len(line) - len(body)]
        first, last, owner = self._around(place.line)
        before = "".join(self.lines[first - 1 : number - 1])
        header = self.lines[owner - 1] if 0 < owner < first else ""
        after = "".join(self.lines[number - 1 if inserted else number : last][:_AFTER])
        return Gap(
            path=place.path,
            line=number,
            inserted=inserted,
            indent=indent,
            hidden="" if inserted else body,
            prefix=f"{comment}{header}{before}{indent}",
            suffix=f"\n{after}",
        )

    def _around(self, number: int) -> tuple[int, int, int]:
        """First and last line to show around a place, and the line of the class around it or 0."""
        window = max(0, number - 1 - _BEFORE) // _WINDOW_STEP * _WINDOW_STEP + 1
        found = next((f for f in self.functions if f[0] <= number <= f[1]), None)
        if found is None:
            return window, len(self.lines), 0
        return max(found[0], window), found[1], found[2]


def _functions(body: Sequence[ast.stmt], owner: int) -> Iterator[tuple[int, int, int]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = first_line(node)
            yield first, node.end_lineno or node.lineno, owner
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, node.lineno)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _functions(node.body, owner)


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
