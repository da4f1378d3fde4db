"""Mends the expected values of new tests by what the code gives, and says so.

A small model computes the values that its tests expect in its head, and often wrongly. Such a test is run
once with its comparisons written out instead of asserted; where the code gives another value of the same
kind, the test takes that one. That proves nothing about the code, so the person is told each value.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.editing.python_source import FunctionNode, parse_python, source_lines
from agent.testing.project import ProjectTests
from sandbox.box.contract import SourceFile

_LONGEST = 200
"""Characters of a value that is worth writing into a test."""
_SEEN = re.compile(r"^EL-SEEN (\d+) (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One `assert value == literal` of a test."""

    line: int
    value: ast.expr
    literal: ast.expr
    statement: ast.Assert


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """The text of a test file with other expected values, and a sentence on each of them."""

    text: str
    told: tuple[str, ...]


async def mended_expectations(
    path: str, source: str, tests: Collection[str], project: ProjectTests
) -> Mended | None:
    """The test file with the values that the code gives; None if there is nothing to mend.

    `tests` are the node ids of red tests of this file. The file itself is not written.

    Raises:
        SandboxError: If the sandbox gives no answer.
    """
    names = {name.partition("[")[0].rpartition("::")[2] for name in tests}
    compared = list(comparisons(source, names))
    if not compared:
        return None
    execution = await project.run_command(
        ["python", "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *sorted(tests)],
        instead=[SourceFile(path=path, content=written_out(source, compared).encode())],
    )
    return with_values(path, source, compared, _seen(execution.stderr.text))


def comparisons(source: str, names: Collection[str]) -> Iterator[Comparison]:
    """The comparisons with a literal in the test functions of these names, outside of loops."""
    tree = parse_python(source)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, FunctionNode) and node.name in names:
            for statement in node.body:
                if (found := _comparison(statement)) is not None:
                    yield found


def _comparison(statement: ast.stmt) -> Comparison | None:
    match statement:
        case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right])):
            pair = (left, right) if _is_literal(right) else (right, left)
            if _is_literal(pair[1]) and not _is_literal(pair[0]):
                return Comparison(
                    line=statement.lineno, value=pair[0], literal=pair[1], statement=statement
                )
    return None


def written_out(source: str, compared: Sequence[Comparison]) -> str:
    """The test file with the comparisons written to standard error instead of asserted."""
    edits = [
        (
            each.statement,
            f'__import__("os").write(2, ("\\nEL-SEEN {each.line} "'
            f' + ascii({ast.unparse(each.value)}) + "\\n").encode())',
        )
        for each in compared
    ]
    return _replaced(source, edits)


def with_values(
    path: str, source: str, compared: Sequence[Comparison], seen: Mapping[int, Collection[str]]
) -> Mended | None:
    """The test file with the values that were seen; None if none of them is another one.

    A value is taken only if every run of the line gave the same one, of the kind that the test expects.
    """
    edits: list[tuple[ast.expr, str]] = []
    told: list[str] = []
    for each in compared:
        values = set(seen.get(each.line, ()))
        value = values.pop() if len(values) == 1 else ""
        expected = ast.literal_eval(each.literal)
        if value and _takes_its_place(value, expected):
            edits.append((each.literal, value))
            told.append(
                f"{path}:{each.line} expected {expected!r} where the code gives {value}: the test now"
                f" expects {value}. Check that this is right."
            )
    return Mended(text=_replaced(source, edits), told=tuple(told)) if edits else None


def _seen(output: str) -> Mapping[int, Collection[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for line, value in _SEEN.findall(output):
        found[int(line)].add(value.rstrip("\r"))
    return found


def _takes_its_place(value: str, expected: object) -> bool:
    """True for another value of the same kind; a truth value or nothing at all is the claim itself."""
    if len(value) > _LONGEST:
        return False
    try:
        given = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    if isinstance(expected, bool) or isinstance(given, bool) or expected is None or given is None:
        return False
    numbers = isinstance(expected, (int, float)) and isinstance(given, (int, float))
    if not numbers and (type(given) is not type(expected) or bool(given) != bool(expected)):
        return False
    return bool(given != expected)


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _replaced(source: str, edits: Sequence[tuple[ast.stmt | ast.expr, str]]) -> str:
    """The source with other text in the place of nodes; the columns of nodes count bytes."""
    lines = [line.encode() for line in source_lines(source)]
    for node, text in sorted(edits, key=lambda edit: edit[0].lineno, reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before, behind = lines[first][: node.col_offset], lines[last][node.end_col_offset or 0 :]
        lines[first : last + 1] = [before + text.encode() + behind]
    return b"".join(lines).decode()
