"""Mends the expected values of new tests by what the code gives, and says so.

A small model computes the values that its tests expect in its head, and often wrongly. Such a test is run
once with its comparisons written out instead of asserted; where the code gives another value of the same
kind, the test takes that one. A comparison with a value of another kind, or that the code ends with an
exception, is left out beside others that hold. That proves nothing about the code, so the person is told each.
"""

from __future__ import annotations

import ast
import io
import re
import secrets
import tokenize
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Template

from agent.editing.python_source import FunctionNode, parse_python, source_lines
from agent.testing.project import ProjectTests
from sandbox.box.contract import SourceFile

_WRITER = """

def _elagent_$token(number, value):
    try:
        said = ascii(value())
    except Exception as error:
        said = "raises " + type(error).__name__
    __import__("os").write(2, ("\\n$token %s %s\\n" % (number, said)).encode())
"""
_RAISES = re.compile(r"raises ([A-Za-z_]\w{0,60})")
_OF_THE_TEST = frozenset(
    ["ImportError", "ModuleNotFoundError", "NameError", "SyntaxError", "UnboundLocalError"]
)
"""Exceptions that are the test's own fault more likely than the code's answer."""
_LONGEST = 200
"""Characters of a value that is worth writing into a test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One `assert value == literal` of a test."""

    test: int
    """The line of the test function."""
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
    path: str,
    source: str,
    tests: Collection[str],
    project: ProjectTests,
    *,
    old: Iterable[str],
    leave_out: bool,
) -> Mended | None:
    """The test file with the values that the code gives; None if there is nothing to mend.

    With `leave_out`, assertions that expect something of another kind go, beside others that hold: for
    code that nobody has just changed, so that no test of a change is weakened.

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
    seen = _seen(execution.stderr.text, token)
    return with_values(path, source, compared, seen, leave_out=leave_out)


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
                if (found := _comparison(statement, node.lineno)) is not None:
                    yield found


def _comparison(statement: ast.stmt, test: int) -> Comparison | None:
    match statement:
        case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right])):
            pair = (left, right) if _is_literal(right) else (right, left)
            if _is_literal(pair[1]) and not _is_literal(pair[0]):
                return Comparison(
                    test=test,
                    line=statement.lineno,
                    value=pair[0],
                    literal=pair[1],
                    statement=statement,
                )
    return None


def written_out(source: str, compared: Sequence[Comparison], token: str) -> str:
    """The test file with the comparisons written to standard error instead of asserted.

    Each comes on a line of its own that begins with the token, which the project cannot know before.
    """
    edits = [
        (each.statement, _call(each.value, number, token)) for number, each in enumerate(compared)
    ]
    return f"{_replaced(source, edits).rstrip()}\n{Template(_WRITER).substitute(token=token)}"


def _call(value: ast.expr, number: int, token: str) -> str:
    """The statement that writes a value out; one that is awaited is computed in its place."""
    kinds = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
    waits = any(isinstance(node, kinds) for node in ast.walk(value))
    said = ast.unparse(value)
    if not waits:
        return f"_elagent_{token}({number}, lambda: {said})"
    return f"_elagent_{token}({number}, lambda said={said}: said)"


def with_values(
    path: str,
    source: str,
    compared: Sequence[Comparison],
    seen: Mapping[int, Collection[str]],
    *,
    leave_out: bool,
) -> Mended | None:
    """The test file with the values that were seen; None if none of them is another one.

    A value is taken only if every run of the line gave the same one, of the kind that the test expects.
    """
    edits: list[tuple[ast.stmt | ast.expr, str]] = []
    told: list[str] = []
    out: list[tuple[Comparison, str]] = []
    holding: set[int] = set()
    for number, each in enumerate(compared):
        said = set(seen.get(number, ()))
        given = said.pop() if len(said) == 1 else ""
        expected = ast.literal_eval(each.literal)
        if value := _instead(given, expected):
            edits.append((each.literal, value))
            told.append(
                f"{path}:{each.line} expected {expected!r} where the code gives {value}: the test now"
                f" expects {value}. Check that this is right."
            )
        elif other := _other_kind(given, expected):
            out.append((each, other))
            continue
        if value or _is_same(given, expected):
            holding.add(each.test)
    for each, other in out:
        if leave_out and each.test in holding:
            edits.append((each.statement, ""))
            told.append(
                f"{path}:{each.line} expected {ast.literal_eval(each.literal)!r} where the code {other}: the"
                " assertion was left out. Check which is right."
            )
    return Mended(text=_replaced(source, edits), told=tuple(told)) if edits else None


def _is_same(said: str, expected: object) -> bool:
    return bool(said) and _read(said) == (expected,)


def _other_kind(said: str, expected: object) -> str:
    """What the code does instead of giving a value of the kind that is expected; empty for all else.

    Truth values are what a test claims: a comparison with one is never left out.
    """
    if isinstance(expected, bool) or not said:
        return ""
    if raised := _RAISES.fullmatch(said):
        return "" if raised[1] in _OF_THE_TEST else f"raises {raised[1]}"
    found = _read(said)
    if len(said) > _LONGEST or not found or isinstance(found[0], bool):
        return ""
    numbers = isinstance(expected, (int, float)) and isinstance(found[0], (int, float))
    if numbers or type(found[0]) is type(expected):
        return ""
    return f"gives {found[0]!r}"


def _read(said: str) -> tuple[object, ...]:
    """The value of a literal, alone in a tuple; empty for anything else."""
    try:
        return (ast.literal_eval(said),)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()


def _seen(output: str, token: str) -> Mapping[int, Collection[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for number, value in re.findall(rf"^{token} (\d+) (.*)$", output, re.MULTILINE):
        found[int(number)].add(value.rstrip("\r"))
    return found


def _instead(said: str, expected: object) -> str:
    """The literal of another value of the same kind, in our own spelling; else nothing.

    A truth value, or nothing at all, is what a test claims and no result that it computes.
    """
    if len(said) > _LONGEST or not (found := _read(said)):
        return ""
    given = found[0]
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
    """The source with other text in the place of nodes; the columns of nodes count bytes.

    A statement without a text goes with the comments above it; one that shares its line becomes `pass`.
    """
    lines, comments = [line.encode() for line in source_lines(source)], _comment_lines(source)
    for node, text in sorted(edits, key=_place, reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before, behind = lines[first][: node.col_offset], lines[last][node.end_col_offset or 0 :]
        if text or before.strip() or behind.strip():
            lines[first : last + 1] = [before + (text or "pass").encode() + behind]
            continue
        above = first
        while above and above in comments:
            above -= 1
        if (
            not lines[above - 1].rstrip().endswith(b":")
        ):  # those below a `def` are about the whole test
            first = above
        del lines[first : last + 1]
    return b"".join(lines).decode()


def _place(edit: tuple[ast.stmt | ast.expr, str]) -> tuple[int, int]:
    return edit[0].lineno, edit[0].col_offset


def _comment_lines(source: str) -> frozenset[int]:
    """The lines, from 1, that hold nothing but a comment."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source, newline="").readline))
    except (SyntaxError, tokenize.TokenError):
        return frozenset()
    return frozenset(
        token.start[0]
        for token in tokens
        if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip()
    )
