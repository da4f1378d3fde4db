"""A ranked list of statements that may be at fault.

Spectrum-based fault localisation with the Ochiai coefficient (Abreu et al. 2007, "On the accuracy of
spectrum-based fault localization"), on statements instead of lines, raised where the traceback of a
red test passes and in functions that suspicious statements call (a coarse form of Zhang et al. 2017,
"Boosting spectrum-based fault localization using PageRank"): a fault in a helper that most tests run
without harm would come late. Differs in that statements which run when a module is imported, which
no single test can be told to run, count as run by every test that runs the module.
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
_CALLED = 0.7
"""Share of a statement's score that the statements of a function get which it calls."""
_ASIDE = 0.2
"""Share of its score that a line keeps which none of the tests runs that are to be repaired."""
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


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A statement with its scores by tests and by tracebacks, its function, and what it calls."""

    path: str
    line: int
    end_line: int
    score: float
    bonus: float
    owner: str
    calls: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Seen:
    """The tests that were noted, the red ones that are asked about, and the lines of tracebacks."""

    red: int
    green: int
    ids: frozenset[str]
    raised: Mapping[tuple[str, int], float]

    @property
    def imported(self) -> float:
        """Score of what runs when a module is imported."""
        return _ochiai(LineCounts(red=self.red, green=self.green), self.red)

    def share(self, counts: LineCounts) -> float:
        """Score of a line: less where not all tests that are asked about run it.

        One fault is the likely cause of many red tests, so all red ones count; but a change where one of
        the tests never comes by cannot turn it green, or only through a fixture that ran before.
        """
        score = _ochiai(counts, self.red)
        if not self.ids:
            return score
        return score * (_ASIDE + (1 - _ASIDE) * len(self.ids & counts.by) / len(self.ids))


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
    seen = _Seen(searched.red, searched.green, _told(searched, red, is_test), raised)
    places: list[FaultPlace] = []
    suspects: list[_Suspect] = []
    for path, lines in by_file.items():
        tree = parse_python(text(path) or "")
        if tree is not None:
            suspects += _places(path, tree, lines, seen)
        elif any(where == path for where, _ in raised):
            places += [
                FaultPlace(path=path, line=line, end_line=line, score=bonus)
                for (where, line), bonus in raised.items()
                if where == path
            ]
    places += _with_callees(suspects)
    return tuple(sorted(places, key=lambda place: (-place.score, place.path, place.line)))


def lines_run(
    searched: Searched, red: Sequence[TestResult], is_test: Callable[[str], bool]
) -> int | None:
    """Count the project's own lines that some red tests run; None if that is not known.

    It is not where a test runs the project in another process.
    """
    ids = {result.id for result in red}
    own = (counts for (path, _), counts in searched.lines.items() if not is_test(path))
    return sum(not ids.isdisjoint(counts.by) for counts in own) or None


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


def _told(
    searched: Searched, red: Sequence[TestResult], is_test: Callable[[str], bool]
) -> frozenset[str]:
    """The ids of those of some red tests whose lines in the project are known."""
    own = (counts.by for (path, _), counts in searched.lines.items() if not is_test(path))
    return frozenset(result.id for result in red) & frozenset[str]().union(*own)


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
    path: str, tree: ast.Module, lines: Mapping[int, LineCounts], seen: _Seen
) -> list[_Suspect]:
    suspects = []
    for statement, owner in _statements(tree):
        first, last = _extent(statement)
        score = _score(statement, owner, lines, seen)
        raised = (seen.raised.get((path, line), 0.0) for line in range(first, last + 1))
        bonus = max(raised, default=0.0)
        if score or bonus:
            calls = frozenset(_called(statement))
            suspects.append(_Suspect(path, first, last, score, bonus, owner, calls))
    return suspects


def _score(statement: ast.stmt, owner: str, lines: Mapping[int, LineCounts], seen: _Seen) -> float:
    first, last = _extent(statement)
    score = max((seen.share(lines[n]) for n in range(first, last + 1) if n in lines), default=0.0)
    if not score and not owner and lines and not _is_inert(statement):
        return seen.imported
    if not score and isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        body = range(statement.lineno + 1, (statement.end_lineno or statement.lineno) + 1)
        return _HEADER * max((seen.share(lines[n]) for n in body if n in lines), default=0.0)
    return score


def _with_callees(suspects: Sequence[_Suspect]) -> Iterator[FaultPlace]:
    """The places, those in a function raised by the most suspicious statement that calls its name."""
    callers: dict[str, float] = {}
    for suspect in suspects:
        for name in suspect.calls:
            callers[name] = max(callers.get(name, 0.0), suspect.score)
    for item in suspects:
        called = _CALLED * callers.get(item.owner, 0.0) if item.score else 0.0
        yield FaultPlace(
            path=item.path,
            line=item.line,
            end_line=item.end_line,
            score=max(item.score, called) + item.bonus,
        )


def _called(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement calls; those of inner statements are left out."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield name
            case _:
                pass
        waiting += [c for c in ast.iter_child_nodes(node) if not isinstance(c, ast.stmt)]


def _statements(tree: ast.Module) -> Iterator[tuple[ast.stmt, str]]:
    """Each statement with the name of the function around it; empty for none."""
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, owner = waiting.pop()
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else owner
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                yield child, inner
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
