"""Mends the expected values of new tests by what the code gives, and says so.

A small model computes the values that its tests expect in its head, and often wrongly. Such a test is run
once with its comparisons written out instead of asserted; where the code gives another value of the same
kind, the test takes that one. That proves nothing about the code, so the person is told each value.
"""

from __future__ import annotations

import ast
import re
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.editing.python_source import FunctionNode, parse_python, source_lines
from agent.testing.project import ProjectTests
from sandbox.box.contract import SourceFile

_LONGEST = 200
"""Characters of a value that is worth writing into a test."""


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
    path: str, source: str, tests: Collection[str], project: ProjectTests, *, old: Iterable[str]
) -> Mended | None:
    """The test file with the values that the code gives; None if there is nothing to mend.

    `tests` are the node ids of red tests of this file. A comparison that stands in one of the `old`
    texts, wherever in it, stays. The file itself is not written.

    Raises:
        SandboxError: If the sandbox gives no answer.
    """
    names = {name.partition("[")[0].rpartition("::")[2] for name in tests}
    known = {said for text in old for said in _asserted(text)}
    compared = [
        each for each in comparisons(source, names) if ast.dump(each.statement) not in known
    ]
    if not compared:
        return None
    token = secrets.token_hex(8)
    execution = await project.run_command(
        ["python", "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *sorted(tests)],
        instead=[SourceFile(path=path, content=written_out(source, compared, token).encode())],
    )
    return with_values(path, source, compared, _seen(execution.stderr.text, token))


def _asserted(source: str) -> Iterator[str]:
    tree = parse_python(source)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Assert):
            yield ast.dump(node)


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


def written_out(source: str, compared: Sequence[Comparison], token: str) -> str:
    """The test file with the comparisons written to standard error instead of asserted.

    Each comes on a line of its own that begins with the token, which the project cannot know before.
    """
    edits = [
        (
            each.statement,
            f'__import__("os").write(2, ("\\n{token} {number} "'
            f' + ascii({ast.unparse(each.value)}) + "\\n").encode())',
        )
        for number, each in enumerate(compared)
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
    for number, each in enumerate(compared):
        said = set(seen.get(number, ()))
        expected = ast.literal_eval(each.literal)
        value = _instead(said.pop(), expected) if len(said) == 1 else ""
        if value:
            edits.append((each.literal, value))
            told.append(
                f"{path}:{each.line} expected {expected!r} where the code gives {value}: the test now"
                f" expects {value}. Check that this is right."
            )
    return Mended(text=_replaced(source, edits), told=tuple(told)) if edits else None


def _seen(output: str, token: str) -> Mapping[int, Collection[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for number, value in re.findall(rf"^{token} (\d+) (.*)$", output, re.MULTILINE):
        found[int(number)].add(value.rstrip("\r"))
    return found


def _instead(said: str, expected: object) -> str:
    """The literal of another value of the same kind, in our own spelling; else nothing.

    A truth value, or nothing at all, is what a test claims and no result that it computes.
    """
    if len(said) > _LONGEST:
        return ""
    try:
        given = ast.literal_eval(said)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    if isinstance(expected, bool) or isinstance(given, bool) or expected is None or given is None:
        return ""
    numbers = isinstance(expected, (int, float)) and isinstance(given, (int, float))
    if not numbers and (type(given) is not type(expected) or bool(given) != bool(expected)):
        return ""
    return "" if given == expected else repr(given)


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _replaced(source: str, edits: Sequence[tuple[ast.stmt | ast.expr, str]]) -> str:
    """The source with other text in the place of nodes; the columns of nodes count bytes."""
    lines = [line.encode() for line in source_lines(source)]
    for node, text in sorted(edits, key=_place, reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before, behind = lines[first][: node.col_offset], lines[last][node.end_col_offset or 0 :]
        lines[first : last + 1] = [before + text.encode() + behind]
    return b"".join(lines).decode()


def _place(edit: tuple[ast.stmt | ast.expr, str]) -> tuple[int, int]:
    return edit[0].lineno, edit[0].col_offset
