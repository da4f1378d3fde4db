"""Chooses among changes that pass, and refuses those that only treat the test's values apart."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Iterator, Sequence

from agent.candidates.candidate import CandidateChange
from agent.editing.python_source import parse_python, source_lines

_MOST_BITS = 10_000
_ORDINARY = (0, 1, -1, 2, "", None, True, False)


def best_first(candidates: Sequence[CandidateChange]) -> tuple[CandidateChange, ...]:
    """Order changes that pass: the usual kinds first, then the model's likelihood, then the smaller."""
    return tuple(sorted(candidates, key=lambda c: (c.cost, -c.likelihood, c.changed_characters)))


def special_case(candidate: CandidateChange, before: str, test: str) -> str:
    """Name the value of the test that a change compares with or returns; empty if it does not.

    `test` is the source of the red test. A value is nobody's special case if the file had it before,
    if it is as common as 0, 1 or the empty string, or if it only takes another value's place.
    """
    old, new = _changed(before, candidate.after)
    kept = sum(1 for node in old for _ in _decisive(node))
    values = [value for node in new for value in _decisive(node)]
    if len(values) <= kept:
        return ""
    in_test, known = _constants(test), _constants(before)
    special = (v for v in values if _written(v) in in_test - known and v not in _ORDINARY)
    return next(map(_written, special), "")


def _constants(text: str) -> frozenset[str]:
    tree = parse_python(text)
    if tree is None:
        return frozenset()
    return frozenset(_written(n.value) for n in ast.walk(tree) if isinstance(n, ast.Constant))


def _written(value: object) -> str:
    """A value as Python writes it; in hexadecimal a number that is too long for its decimal form."""
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return hex(value)
    return repr(value)


def _changed(before: str, after: str) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """The statements on the lines that a change replaced, and those on the lines that it wrote."""
    lines = source_lines(before), source_lines(after)
    matcher = difflib.SequenceMatcher(None, lines[0], lines[1], autojunk=False)
    changed = [codes for codes in matcher.get_opcodes() if codes[0] != "equal"]
    old = {line + 1 for _, first, last, _, _ in changed for line in range(first, last)}
    new = {line + 1 for _, _, _, first, last in changed for line in range(first, last)}
    return _on_lines(before, old), _on_lines(after, new)


def _on_lines(text: str, lines: Collection[int]) -> list[ast.stmt]:
    tree = parse_python(text)
    nodes = () if tree is None else ast.walk(tree)
    return [node for node in nodes if isinstance(node, ast.stmt) and node.lineno in lines]


def _decisive(statement: ast.stmt) -> Iterator[object]:
    """Values that a statement compares with, looks up, or returns as they are."""
    if isinstance(statement, ast.Return) and statement.value is not None:
        yield from _literal(statement.value)
    for node in ast.walk(statement):
        if isinstance(node, ast.Compare) and any(
            isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops
        ):
            for part in (node.left, *node.comparators):
                yield from _literal(part)
        elif isinstance(node, ast.IfExp):
            yield from (*_literal(node.body), *_literal(node.orelse))
        elif isinstance(node, ast.Dict):
            for key in node.keys:
                yield from _literal(key) if key is not None else ()


def _literal(node: ast.expr) -> Iterator[object]:
    parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    for part in parts:
        if isinstance(part, ast.Constant):
            yield part.value
