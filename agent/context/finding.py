"""Finds the functions that a message is about: those that it names, then those that share its words.

The words are weighed by BM25 (Robertson et al. 1994, Okapi at TREC-3; k1 = 1.2, b = 0.75) over parts
of identifiers, so that "parcels needed" finds `parcels_needed`. Small files are given whole.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from agent.context.outline import has_outline
from agent.editing.python_source import definitions, parse_python, source_lines, source_of
from agent.editing.source_files import is_test_path
from agent.fixing.context import fenced
from agent.fixing.sources import Sources
from agent.words import COMMON, words_of

_K1 = 1.2
_B = 0.75
_SMALL_FILE_LINES = 40
_MOST_FILES = 400
_MOST_FOUND = 6
_TEST_SHARE = 0.4
_LONGEST_PART = 80
_WORD = re.compile(r"[A-Za-z_]\w+")
_FRAME = re.compile(
    r"File \"(?P<file>[^\"]+)\", line (?P<line>\d+)|(?P<short>[\w./-]+\.py):(?P<at>\d+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPart:
    """A function, a class or a small file that a message is about."""

    path: str
    line: int
    """The first line; 1 for a whole file."""
    name: str
    """Empty for a whole file."""
    text: str

    @property
    def place(self) -> str:
        """`path:line name`, as it is shown."""
        return f"{self.path}:{self.line} {self.name}" if self.name else self.path


def find_parts(
    message: str,
    sources: Sources,
    *,
    budget_tokens: int,
    count: Callable[[str], int],
    without: Iterable[str] = (),
) -> tuple[FoundPart, ...]:
    """The parts that a message is about, the best first, as many as fit. Blocks.

    Frames of a traceback in the message come first, then parts that it names, then those that share
    its words. Nothing is given of the files in `without`, which are shown elsewhere.
    """
    hidden = frozenset(without)
    parts = [
        part for path in _files(sources) if path not in hidden for part in _parts(path, sources)
    ]
    scores = _scores(message, parts)
    order = sorted(range(len(parts)), key=lambda at: (-scores[at], parts[at].path, parts[at].line))
    found: list[FoundPart] = []
    for at in order:
        part = parts[at]
        if scores[at] <= 0 or len(found) == _MOST_FOUND:
            break
        if any(_holds(other, part) or _holds(part, other) for other in found):
            continue
        if (cost := count(drawn_part(part))) <= budget_tokens:
            budget_tokens -= cost
            found.append(part)
    return tuple(found)


def drawn_part(part: FoundPart) -> str:
    """A part as the model sees it: its place, then its text."""
    return f"{part.place}\n{fenced(part.text, 'python' if part.path.endswith('.py') else '')}"


def _files(sources: Sources) -> list[str]:
    code = (path for path in sources.files if has_outline(path))
    return sorted(code, key=lambda path: (is_test_path(path), path.count("/"), path))[:_MOST_FILES]


def _parts(path: str, sources: Sources) -> list[FoundPart]:
    text = sources.text(path) or ""
    if not text.strip():
        return []
    if len(source_lines(text)) <= _SMALL_FILE_LINES:
        return [FoundPart(path=path, line=1, name="", text=text)]
    found: list[FoundPart] = []
    for name, node in definitions(text).items():
        body = source_of(text, node)
        if len(body.splitlines()) <= _LONGEST_PART:
            found.append(FoundPart(path=path, line=node.lineno, name=name, text=body))
    return [*found, *_constants(path, text)]


def _constants(path: str, text: str) -> Iterator[FoundPart]:
    """The values that a Python file gives names to at its top."""
    tree = parse_python(text) if path.endswith(".py") else None
    for node in tree.body if tree is not None else ():
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                body = "\n".join(source_lines(text)[node.lineno - 1 : node.end_lineno])
                if body.count("\n") < _LONGEST_PART:
                    yield FoundPart(path=path, line=node.lineno, name=name, text=body)
            case _:
                continue


def _scores(message: str, parts: Sequence[FoundPart]) -> list[float]:
    """A score for each part; 0 where it has nothing to do with the message."""
    wanted = [word for word in words_of(message) if word not in COMMON]
    bags = [Counter(words_of(f"{part.path} {part.name} {part.text}")) for part in parts]
    mean = sum(map(sum, (bag.values() for bag in bags))) / max(1, len(bags))
    in_parts = Counter(word for bag in bags for word in bag)
    named = set(_WORD.findall(message))
    frames = _frames(message)
    scores: list[float] = []
    for part, bag in zip(parts, bags, strict=True):
        length = _K1 * (1 - _B + _B * sum(bag.values()) / max(1.0, mean))
        score = sum(
            math.log(1 + (len(bags) - in_parts[word] + 0.5) / (in_parts[word] + 0.5))
            * bag[word]
            * (_K1 + 1)
            / (bag[word] + length)
            for word in set(wanted)
            if bag[word]
        )
        score *= _TEST_SHARE if is_test_path(part.path) else 1.0
        scores.append(score + _said(part, named, message) + _framed(part, frames))
    return scores


def _said(part: FoundPart, named: set[str], message: str) -> float:
    """More for a part that the message names: its file, or a definition in it."""
    own = (
        {part.name.rpartition(".")[2]}
        if part.name
        else {name.rpartition(".")[2] for name in definitions(part.text)}
    )
    is_named = bool(own & named - COMMON)
    in_file = part.path in message or part.path.rpartition("/")[2] in message
    return 20.0 * is_named + 8.0 * in_file


def _frames(message: str) -> list[tuple[str, int]]:
    return [
        (match["file"] or match["short"], int(match["line"] or match["at"]))
        for match in _FRAME.finditer(message)
    ]


def _framed(part: FoundPart, frames: Sequence[tuple[str, int]]) -> float:
    last = part.line + part.text.count("\n")
    hit = (
        number
        for number, (file, line) in enumerate(frames, start=1)
        if (file.endswith(part.path)) and part.line <= line <= last
    )
    return 40.0 + max(hit, default=-40)


def _holds(outer: FoundPart, inner: FoundPart) -> bool:
    """True if one part is inside the other: a method in its class."""
    last = outer.line + outer.text.count("\n")
    return outer.path == inner.path and outer.line <= inner.line <= last
