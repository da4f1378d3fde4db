"""A ranked list of statements that may be at fault.

Spectrum-based fault localisation with the Ochiai coefficient (Abreu et al. 2007, "On the accuracy of
spectrum-based fault localization"), on statements instead of lines, raised where the traceback of a
red test passes. Differs in that statements which run when a module is imported, which no single test
can be told to run, count as run by every test that runs the module.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.editing.python_source import parse_python
from agent.events import RankedPlace
from sandbox.search.values import LineCounts, Searched
from sandbox.verdict.report import TestResult

_INNERMOST = 0.5
_ON_THE_WAY = 0.2
_HEADER = 0.6
"""Share of its body's score that the first line of a function gets, for its defaults."""
_NAMED = 1.0
"""Score of a place that the error names itself."""
_SELF_NAMED = ("SyntaxError", "IndentationError", "ImportError", "ModuleNotFoundError", "NameError")

Text = Callable[[str], str | None]
"""Gives a file of the project as text; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlace:
    """One statement, or the first lines of a compound one, and how suspicious it is."""

    path: str
    line: int
    end_line: int
    score: float
    """0 to 1 by the tests that ran it, and up to 1 more by tracebacks."""

    @property
    def ranked(self) -> RankedPlace:
        """The place as a person is shown it: with a score of at most 1."""
        return RankedPlace(self.path, self.line, round(min(self.score, 1.0), 2))


def rank(
    searched: Searched, red: Sequence[TestResult], text: Text, *, is_test: Callable[[str], bool]
) -> tuple[FaultPlace, ...]:
    """Order the statements of the project by suspicion, best first; those of tests are left out."""
    by_file: dict[str, dict[int, LineCounts]] = {}
    for (path, line), counts in searched.lines.items():
        if not is_test(path):
            by_file.setdefault(path, {})[line] = counts
    raised = _raised_by_tracebacks(red, is_test)
    for path, _ in raised:
        by_file.setdefault(path, {})
    places: list[FaultPlace] = []
    for path, lines in by_file.items():
        tree = parse_python(text(path) or "")
        if tree is not None:
            places += _places(path, tree, lines, searched, raised)
        elif any(where == path for where, _ in raised):
            places += [
                FaultPlace(path=path, line=line, end_line=line, score=bonus)
                for (where, line), bonus in raised.items()
                if where == path
            ]
    return tuple(sorted(places, key=lambda place: (-place.score, place.path, place.line)))


def vagueness(result: TestResult, is_test: Callable[[str], bool]) -> int:
    """Tell how little a failure says of the place of the fault: 0 where the error names it itself.

    1 where the traceback ends in the project's own code, 2 where only a test's lines are in it, 3
    where there is none, as of a doctest.
    """
    if not result.frames:
        return 3
    if all(is_test(frame.file) for frame in result.frames):
        return 2
    return 0 if result.exception in _SELF_NAMED else 1


def _raised_by_tracebacks(
    red: Sequence[TestResult], is_test: Callable[[str], bool]
) -> Mapping[tuple[str, int], float]:
    raised: dict[tuple[str, int], float] = {}
    for result in red:
        frames = [frame for frame in result.frames if frame.file and not is_test(frame.file)]
        named = result.exception in _SELF_NAMED
        for frame in frames:
            place = frame.file, frame.line
            raised[place] = max(raised.get(place, 0.0), _ON_THE_WAY)
        if frames:
            last = frames[-1].file, frames[-1].line
            raised[last] = _NAMED if named else max(raised[last], _INNERMOST)
    return raised


def _places(
    path: str,
    tree: ast.Module,
    lines: Mapping[int, LineCounts],
    searched: Searched,
    raised: Mapping[tuple[str, int], float],
) -> Iterator[FaultPlace]:
    imported = LineCounts(red=searched.red, green=searched.green) if lines else None
    for statement, depth, body_lines in _statements(tree):
        first, last = _extent(statement)
        counts = [lines[line] for line in range(first, last + 1) if line in lines]
        score = max((_ochiai(item, searched.red) for item in counts), default=0.0)
        if not score and depth == 0 and imported is not None and not _is_inert(statement):
            score = _ochiai(imported, searched.red)
        if not score and isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = [lines[line] for line in body_lines if line in lines]
            score = _HEADER * max((_ochiai(i, searched.red) for i in inside), default=0.0)
        bonus = max((raised.get((path, line), 0.0) for line in range(first, last + 1)), default=0.0)
        if score or bonus:
            yield FaultPlace(path=path, line=first, end_line=last, score=score + bonus)


def _statements(tree: ast.Module) -> Iterator[tuple[ast.stmt, int, range]]:
    """Each statement with the number of functions around it and the lines of its body."""
    waiting: list[tuple[ast.AST, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        for child in ast.iter_child_nodes(node):
            inner = depth + isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
            ) * isinstance(child, ast.stmt)
            if isinstance(child, ast.stmt):
                end = child.end_lineno or child.lineno
                yield child, inner, range(child.lineno + 1, end + 1)
            waiting.append((child, inner))


def _extent(statement: ast.stmt) -> tuple[int, int]:
    """First and last line of a statement; of a compound one only as far as its body begins."""
    last = statement.end_lineno or statement.lineno
    first = statement.lineno
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    if isinstance(body, list) and body:
        start = body[0].lineno if isinstance(body[0], ast.stmt) else body[0].pattern.lineno
        last = max(first, min(last, start - 1))
    return first, last


def _is_inert(statement: ast.stmt) -> bool:
    """True for what cannot hold a fault by itself: documentation, headers, imports."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(
        statement,
        ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom,
    )


def _ochiai(counts: LineCounts, red: int) -> float:
    """Return e_f / sqrt((e_f + n_f) (e_f + e_p)): 1 for a line that all red tests run and no other."""
    if not counts.red or not red:
        return 0.0
    return counts.red / math.sqrt(max(red, counts.red) * (counts.red + counts.green))
