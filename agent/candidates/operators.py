"""Edits of operators: comparisons, arithmetic, boolean logic, a missing or superfluous `not`."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator

from agent.candidates.source import Edit, ParsedFile, is_huge
from agent.candidates.values import names_in_scope

_MOST_NAMES = 3

_COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">", ">=", "!=")),
    ast.LtE: ("<=", ("<", ">=", ">", "==")),
    ast.Gt: (">", (">=", "<", "<=", "!=")),
    ast.GtE: (">=", (">", "<=", "<", "==")),
    ast.Eq: ("==", ("!=", "<=", ">=", "<", ">", "is", "in")),
    ast.NotEq: ("!=", ("==", "<", ">", "is not")),
    ast.Is: ("is", ("is not", "==")),
    ast.IsNot: (r"is\s+not", ("is", "!=")),
    ast.In: ("in", ("not in", "==")),
    ast.NotIn: (r"not\s+in", ("in", "!=")),
}
_ARITHMETIC: dict[type[ast.operator], tuple[str, tuple[str, ...]]] = {
    ast.Add: ("+", ("-", "*")),
    ast.Sub: ("-", ("+", "*")),
    ast.Mult: ("*", ("/", "+", "**", "//")),
    ast.Div: ("/", ("//", "*")),
    ast.FloorDiv: ("//", ("/", "%", "*")),
    ast.Mod: ("%", ("//", "/")),
    ast.Pow: ("**", ("*",)),
    ast.BitAnd: ("&", ("|", "^")),
    ast.BitOr: ("|", ("&", "^")),
    ast.BitXor: ("^", ("&", "|")),
    ast.LShift: ("<<", (">>",)),
    ast.RShift: (">>", ("<<",)),
}


def operator_edits(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """Other operators in the place of those of one node."""
    match node:
        case ast.Compare():
            yield from _compared(source, node)
        case ast.BinOp():
            yield from _arithmetic(source, node)
        case ast.AugAssign() | ast.Assign():
            yield from _assigned(source, node)
        case ast.BoolOp():
            yield from _boolean(source, node)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield source.replace(node, source.code(operand), "without the sign")
        case ast.If() | ast.While() | ast.IfExp() | ast.Assert():
            yield _negated(source, node.test)
        case _:
            return


def truth_edits(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """A variable, or its opposite, in the place of a truth value that is returned or tested by a loop.

    Also the comparison of a length that holds for one item more: `len(x) <= 1` for `len(x) == 0`.
    """
    match node:
        case (
            ast.Return(value=ast.Constant(value=bool()) as value)
            | ast.While(test=ast.Constant(value=bool()) as value)
        ):
            for name in names_in_scope(source, node)[:_MOST_NAMES]:
                for text in (name, f"not {name}"):
                    yield source.replace(value, text, f"{source.code(value)} to {text}")
        case ast.Compare(
            left=ast.Call(func=ast.Name(id="len")) as left,
            ops=[ast.Eq()],
            comparators=[ast.Constant(value=int() as number)],
        ) if not is_huge(number):
            text = f"{source.code(left)} <= {number + 1}"
            yield source.replace(node, text, f"at most {number + 1}")
        case _:
            return


def _assigned(source: ParsedFile, node: ast.AugAssign | ast.Assign) -> Iterator[Edit]:
    if isinstance(node, ast.AugAssign):
        old, others = _ARITHMETIC.get(type(node.op), ("", ()))
        for new in (*(f"{other}=" for other in others), "="):
            yield from _swapped(source, node.target, node.value, re.escape(f"{old}="), new)
    elif len(node.targets) == 1 and isinstance(node.targets[0], ast.Name | ast.Attribute):
        yield from _swapped(source, node.targets[0], node.value, "=", "+=")
        yield from _swapped(source, node.targets[0], node.value, "=", "-=")


def _compared(source: ParsedFile, node: ast.Compare) -> Iterator[Edit]:
    left: ast.expr = node.left
    for op, right in zip(node.ops, node.comparators, strict=True):
        pattern, others = _COMPARISONS[type(op)]
        for new in others:
            yield from _swapped(source, left, right, pattern, new)
        left = right
    if len(node.ops) == 1:
        sides = source.code(node.comparators[0]), source.code(node.left)
        if isinstance(node.ops[0], ast.In | ast.NotIn):
            word = "in" if isinstance(node.ops[0], ast.In) else "not in"
            yield source.replace(node, f"{sides[0]} {word} {sides[1]}", "sides exchanged")


def _arithmetic(source: ParsedFile, node: ast.BinOp) -> Iterator[Edit]:
    old, others = _ARITHMETIC.get(type(node.op), ("", ()))
    for new in others:
        yield from _swapped(source, node.left, node.right, re.escape(old), new)
    if old and not isinstance(node.op, ast.Mult):
        text = f"{_held(source, node.right)} {old} {_held(source, node.left)}"
        yield source.replace(node, text, "sides exchanged")
    yield source.replace(node, source.code(node.left), "right side left out")
    yield source.replace(node, source.code(node.right), "left side left out")


def _boolean(source: ParsedFile, node: ast.BoolOp) -> Iterator[Edit]:
    is_and = isinstance(node.op, ast.And)
    for left, right in itertools.pairwise(node.values):
        yield from _swapped(
            source, left, right, "and" if is_and else "or", "or" if is_and else "and"
        )
    for value in node.values:
        rest = [_held(source, other) for other in node.values if other is not value]
        yield source.replace(node, (" and " if is_and else " or ").join(rest), "part left out")
        yield _negated(source, value)


def _swapped(
    source: ParsedFile, left: ast.expr, right: ast.expr, pattern: str, new: str
) -> Iterator[Edit]:
    """The edit of the operator that stands between two expressions."""
    start, end = source.span(left)[1], source.span(right)[0]
    gap = source.between(start, end)
    match = re.search(rf"(?<![\w=<>!*/]){pattern}(?![\w=<>*/])", gap)
    if match is None or "#" in gap:
        return
    begin = start + len(gap[: match.start()].encode())
    finish = start + len(gap[: match.end()].encode())
    yield Edit(start=begin, end=finish, text=new, kind=f"{match[0]} to {new}")


def _negated(source: ParsedFile, test: ast.expr) -> Edit:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return source.replace(test, source.code(test.operand), "not left out")
    return source.replace(test, f"not {_held(source, test)}", "not put in")


def _held(source: ParsedFile, node: ast.expr) -> str:
    """The text of an expression, in parentheses where it has parts."""
    text = source.code(node)
    whole = ast.Name | ast.Constant | ast.Call | ast.Attribute | ast.Subscript
    return text if isinstance(node, whole) else f"({text})"
