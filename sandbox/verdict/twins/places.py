"""Finds the expectations in a test, each with changes that a right result cannot meet."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sandbox.verdict.twins.values import other_literal

_OPERATORS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: (r"==", "!="),
    ast.NotEq: (r"!=", "=="),
    ast.Lt: (r"<", ">="),
    ast.LtE: (r"<=", ">"),
    ast.Gt: (r">", "<="),
    ast.GtE: (r">=", "<"),
    ast.In: (r"\bin\b", "not in"),
    ast.NotIn: (r"\bnot\s+in\b", "in"),
    ast.Is: (r"\bis\b", "is not"),
    ast.IsNot: (r"\bis\s+not\b", "is"),
}
_EQUAL = re.compile(
    r"assert(?:List|Dict|Set|Tuple|Sequence|MultiLine|Count)?Equals?"
    r"|assert_(?:array_|frame_|series_|index_|string_|allclose|almost_|approx_)?(?:equal|allclose)"
    r"|assert_(?:array_almost_equal|allclose|close)"
    r"|assert_(?:called|awaited)(?:_once)?_with|assert_any_call|assert_has_calls"
)
_OPPOSITES = {
    "assertTrue": "assertFalse",
    "assertIs": "assertIsNot",
    "assertIn": "assertNotIn",
    "assertIsNone": "assertIsNotNone",
    "assertLess": "assertGreaterEqual",
    "assertGreater": "assertLessEqual",
    "assertAlmostEqual": "assertNotAlmostEqual",
    "assertEqual": "assertNotEqual",
    "assertIsInstance": "assertNotIsInstance",
    "assertRegex": "assertNotRegex",
    "assert_called": "assert_not_called",
}
_OPPOSITES |= {new: old for old, new in _OPPOSITES.items()}
_OPPOSITES |= {"assert_called_once": "assert_not_called"}
_RAISES = frozenset({"raises", "assertRaises", "assertRaisesRegex", "warns", "assertWarns"})
_RAISES |= {"assertWarnsRegex", "assertLogs"}
_EXCEPTIONS = ("BufferError", "EOFError", "FloatingPointError", "ReferenceError", "RecursionError")
_FRESH = 'type("Other", (UserWarning,), {})'
_CLOSE = frozenset({"isclose", "allclose"})
_CHECKS = re.compile(r"(?:assert|check|expect|verify|ensure|compare|should)", re.IGNORECASE)
_ARGUMENTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinChange:
    """A piece of text to put in another's place, by its nodes' positions."""

    start: tuple[int, int]
    stop: tuple[int, int]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinPlace:
    """One expectation."""

    others: tuple[TwinChange, ...]
    """Each makes it another one of the same type, or its opposite."""
    nothing: tuple[TwinChange, ...] = ()
    """Each asks for an object that equals nothing."""
    sure: bool = True
    """True if it is reached in every run that passes."""


@dataclass(slots=True)
class Finder:
    """Reads the body of one test."""

    lines: Sequence[bytes]
    helper: str
    draw: random.Random
    found: list[TwinPlace] = field(default_factory=list)

    def read(self, body: Sequence[ast.stmt], *, sure: bool = True) -> list[TwinPlace]:
        """Find the places in these statements; those after a possible return are not sure."""
        for statement in body:
            self._statement(statement, sure=sure)
            sure = sure and not _may_leave(statement)
        return self.found

    def _statement(self, statement: ast.stmt, *, sure: bool) -> None:
        match statement:
            case ast.Assert(test=test):
                self._keep(self._condition(test), sure=sure)
            case (
                ast.Expr(value=ast.Call() as call)
                | ast.Expr(value=ast.Await(value=ast.Call() as call))
            ):
                self._keep(self._call(call), sure=sure)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                raising = [place for item in items for place in self._context(item.context_expr)]
                self._keep(raising, sure=sure)
                self.read(body, sure=sure and not raising and not _swallows(items))
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.read(statement.body, sure=False)
            case _:
                for inner in _blocks(statement):
                    self.read(inner, sure=False)

    def _keep(self, places: Sequence[TwinPlace], *, sure: bool) -> None:
        for place in places:
            self.found.append(place if sure else _unsure(place))

    def _condition(self, test: ast.expr) -> list[TwinPlace]:
        """Return the expectations of an `assert`."""
        match test:
            case ast.Compare(ops=[op], left=left, comparators=[right]):
                return [self._compared(test, op, left, right)]
            case ast.BoolOp(op=ast.And(), values=values):
                return [place for value in values for place in self._condition(value)]
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return [TwinPlace(others=(_whole(test, f"({self._text(operand)})"),))]
            case ast.Call(func=func, args=[_, expected, *_]) if _name(func) in _CLOSE:
                return [self._equal(expected, close=True, nothing=self._not(test))]
            case _:
                return [TwinPlace(others=(self._not(test),))]

    def _compared(
        self, test: ast.expr, op: ast.cmpop, left: ast.expr, right: ast.expr
    ) -> TwinPlace:
        opposite = self._opposite(op, left, right) or self._not(test)
        if isinstance(op, ast.Eq):
            expected = left if _is_fixed(left) and not _is_fixed(right) else right
            if (inner := _approximate(expected)) is not None:
                return self._equal(inner, close=True, nothing=_whole(expected, "object()"))
            if _name(expected) == "approx":
                return TwinPlace(others=(opposite,), nothing=(_whole(expected, "object()"),))
            return self._equal(expected)
        if isinstance(op, ast.In):
            side, text = (left, "object()") if _is_fixed(left) else (right, "(object(),)")
            return TwinPlace(others=(opposite,), nothing=(_whole(side, text),))
        if isinstance(op, ast.Lt | ast.LtE) and (subtracted := _difference(left)) is not None:
            return self._equal(subtracted, close=True, nothing=opposite)
        return TwinPlace(others=(opposite,))

    def _equal(
        self, expected: ast.expr, *, close: bool = False, nothing: TwinChange | None = None
    ) -> TwinPlace:
        """Return the place of an expected value; a `close` one must move by more than a tolerance."""
        text = "" if close and not _is_float(expected) else other_literal(expected, self.draw)
        other = _whole(expected, text or f"{self.helper}({self._text(expected)})")
        return TwinPlace(others=(other,), nothing=(nothing or _whole(expected, "object()"),))

    def _call(self, call: ast.Call) -> list[TwinPlace]:
        """Return the expectations of a call of an asserting method."""
        name, arguments = _name(call.func), call.args
        if name in _RAISES and len(arguments) > 1:
            return self._context(call)
        places = []
        if _EQUAL.fullmatch(name) and arguments and not any(map(_starred, arguments)):
            first = arguments[0]
            swap = len(arguments) == 1 or (_is_fixed(first) and not _is_fixed(arguments[1]))
            places.append(self._equal(first if swap else arguments[1], close="close" in name))
        elif name in ("assertAlmostEqual", "assertIn") and len(arguments) >= _ARGUMENTS:
            at = 1 if name == "assertAlmostEqual" else 0
            nothing = (_whole(arguments[at], "object()"),)
            places.append(
                TwinPlace(others=(self._renamed(call, _OPPOSITES[name]),), nothing=nothing)
            )
        elif name in _OPPOSITES:
            places.append(TwinPlace(others=(self._renamed(call, _OPPOSITES[name]),)))
        elif _CHECKS.match(name):
            places += self._checked(arguments)
        return places

    def _checked(self, arguments: Sequence[ast.expr]) -> list[TwinPlace]:
        """Return the expectations in a checking function's arguments: a condition, or result and number."""
        match arguments:
            case [ast.Compare() as condition, *_]:
                return self._condition(condition)
            case [result, expected] if not _is_fixed(result) and _is_fixed(expected):
                told = isinstance(expected, ast.Constant) and isinstance(expected.value, str | bool)
                return [] if told else [self._equal(expected, close=True)]
            case _:
                return []

    def _context(self, expression: ast.expr) -> list[TwinPlace]:
        """Return the place of an exception that must be raised."""
        match expression:
            case ast.Call(func=func, args=[kind, *_]) if _name(func) in _RAISES:
                others = [name for name in _EXCEPTIONS if name not in self._text(kind)]
                broad = re.search(r"\b(?:Base)?Exception\b|Arithmetic|Runtime", self._text(kind))
                text = _FRESH if broad else self.draw.choice(others)
                if _name(func).startswith(("warns", "assertW")):
                    text = _FRESH
                if _name(func) == "assertLogs":
                    return []
                return [TwinPlace(others=(_whole(kind, text),), nothing=(_whole(kind, _FRESH),))]
            case _:
                return []

    def _opposite(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> TwinChange | None:
        start, stop = _end(left), _start(right)
        between = self._between(start, stop)
        pattern, opposite = _OPERATORS[type(op)]
        changed, times = re.subn(pattern, opposite, between, count=1)
        return (
            TwinChange(start=start, stop=stop, text=changed)
            if times and "#" not in between
            else None
        )

    def _not(self, node: ast.expr) -> TwinChange:
        return _whole(node, f"not ({self._text(node)})")

    def _renamed(self, call: ast.Call, name: str) -> TwinChange:
        stop = _end(call.func)
        old = len(_name(call.func).encode())
        return TwinChange(start=(stop[0], stop[1] - old), stop=stop, text=name)

    def _text(self, node: ast.expr) -> str:
        return self._between(_start(node), _end(node))

    def _between(self, start: tuple[int, int], stop: tuple[int, int]) -> str:
        (first, begin), (last, end) = start, stop
        if first == last:
            return self.lines[first - 1][begin:end].decode()
        middle = self.lines[first : last - 1]
        parts = [self.lines[first - 1][begin:], *middle, self.lines[last - 1][:end]]
        return b"".join(parts).decode()


def _whole(node: ast.expr, text: str) -> TwinChange:
    return TwinChange(start=_start(node), stop=_end(node), text=text)


def _unsure(place: TwinPlace) -> TwinPlace:
    return TwinPlace(others=place.others, nothing=place.nothing, sure=False)


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


def _name(node: ast.expr) -> str:
    match node:
        case ast.Call(func=func):
            return _name(func)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _approximate(node: ast.expr) -> ast.expr | None:
    """Return the value in `approx(value)`, where no tolerance is named."""
    match node:
        case ast.Call(args=[inner], keywords=[]) if _name(node) == "approx":
            return inner
        case _:
            return None


def _difference(node: ast.expr) -> ast.expr | None:
    """Return the subtracted value in `abs(result - expected)`."""
    match node:
        case ast.Call(
            func=ast.Name(id="abs"), args=[ast.BinOp(left=left, op=ast.Sub(), right=right)]
        ):
            return left if _is_fixed(left) and not _is_fixed(right) else right
        case _:
            return None


def _is_fixed(node: ast.expr) -> bool:
    """True if a value is written out rather than computed."""
    return not any(isinstance(n, ast.Call | ast.Name | ast.Attribute) for n in ast.walk(node))


def _is_float(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def _starred(node: ast.expr) -> bool:
    return isinstance(node, ast.Starred)


def _may_leave(statement: ast.stmt) -> bool:
    leaving = ast.Return | ast.Yield | ast.YieldFrom | ast.Raise
    return any(isinstance(node, leaving) for node in ast.walk(statement))


def _swallows(items: Sequence[ast.withitem]) -> bool:
    return any(_name(item.context_expr) == "suppress" for item in items)


def _blocks(statement: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        inner = getattr(statement, name, None)
        if isinstance(inner, list) and inner and isinstance(inner[0], ast.stmt):
            yield inner
    for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield part.body
