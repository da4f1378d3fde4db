"""Follows values in a program's syntax tree, as far as they stand there; nothing of it ever runs.

For `setup.py` and `noxfile.py`: lists of requirements, names that are given a value, lists that grow.
What stands under a condition counts if the condition is about this Python or this system and holds.
"""

from __future__ import annotations

import ast
import operator
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_ORDER: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_KNOWN: Mapping[str, object] = {
    "sys.version_info": tuple(sys.version_info[:3]),
    "sys.version_info.major": sys.version_info.major,
    "sys.version_info.minor": sys.version_info.minor,
    "sys.platform": "linux",
    "os.name": "posix",
    "platform.system()": "Linux",
    "platform.python_implementation()": "CPython",
}
_MOST_STEPS = 20_000
_DEEPEST = 60


class UnknownValueError(Exception):
    """A value cannot be told without running the program."""


class Values:
    """The names of one program, and the texts and tables that expressions stand for."""

    def __init__(self, module: ast.Module) -> None:
        self._names: dict[str, list[ast.expr]] = {}
        self._steps = 0
        self._visit(module.body, 0)

    def texts(self, node: ast.expr | None, depth: int = 0) -> Iterator[str | ast.expr]:
        """Yield the texts of a list, and what else is in it that only the caller may know.

        Raises:
            UnknownValueError: If it goes round in circles or is too much.
        """
        self._step(depth)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif (parts := self._parts(node, depth)) is not None:
            for part in parts:
                yield from self.texts(part, depth + 1)
        elif node is not None:
            yield node

    def _parts(self, node: ast.expr | None, depth: int) -> list[ast.expr] | None:
        """Return what a list is put together from, None if that cannot be seen."""
        parts: list[ast.expr] | None = None
        match node:
            case None | ast.Constant(value=None):
                parts = []
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                parts = elements
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                parts = [left, right]
            case ast.Call(func=ast.Name(id="list" | "sorted" | "set" | "tuple"), args=[inner]):
                parts = [inner]
            case ast.Starred(value=inner):
                parts = [inner]
            case ast.Name(id=name):
                parts = self._names.get(name)
            case ast.Subscript(value=inner, slice=ast.Constant(value=str(key))):
                parts = [value for found, value in self.pairs(inner, depth + 1) if found == key]
            case _:
                pass
        return parts

    def pairs(self, node: ast.expr | None, depth: int = 0) -> Iterator[tuple[str, ast.expr]]:
        """Yield the keys of a dictionary with the expressions of their values.

        Raises:
            UnknownValueError: If it is no dictionary that stands in the program.
        """
        self._step(depth)
        for key, value in self._entries(node):
            if key is None:  # another dictionary: `**more`, or what a name stands for
                yield from self.pairs(value, depth + 1)
            else:
                yield self.text(key), value

    def _entries(self, node: ast.expr | None) -> list[tuple[ast.expr | None, ast.expr]]:
        """Return the keys and values of a dictionary; without a key, it is one by itself."""
        match node:
            case None:
                return []
            case ast.Dict(keys=keys, values=values):
                return list(zip(keys, values, strict=True))
            case ast.Call(func=ast.Name(id="dict"), args=args, keywords=words):
                named = [(ast.Constant(value=w.arg) if w.arg else None, w.value) for w in words]
                return [*((None, inner) for inner in args), *named]
            case ast.Name(id=name) if name in self._names:
                return [(None, value) for value in self._names[name]]
            case _:
                raise UnknownValueError

    def text(self, node: ast.expr | None) -> str:
        """Return one text.

        Raises:
            UnknownValueError: If it is no text that stands in the program.
        """
        match list(self.texts(node)):
            case [str(text)]:
                return text
            case _:
                raise UnknownValueError

    def mentioned(self, node: ast.expr, depth: int = 0) -> Iterator[str]:
        """Yield all texts inside an expression and inside the names that it uses."""
        self._step(depth)
        for inner in ast.walk(node):
            match inner:
                case ast.Constant(value=str(text)):
                    yield text
                case ast.Name(id=name) if name in self._names:
                    for value in self._names[name]:
                        yield from self.mentioned(value, depth + 1)
                case _:
                    continue

    def _step(self, depth: int) -> None:
        self._steps += 1
        if depth > _DEEPEST or self._steps > _MOST_STEPS:
            raise UnknownValueError

    def _visit(self, body: Sequence[ast.stmt], depth: int) -> None:
        for statement in body if depth < _DEEPEST else ():
            match statement:
                case ast.If(test=test, body=then, orelse=orelse):
                    self._visit(then if holds(test) else orelse, depth + 1)
                case ast.With(items=items, body=inner):
                    for item in items:
                        if isinstance(item.optional_vars, ast.Name):
                            self._add(item.optional_vars.id, item.context_expr)
                    self._visit(inner, depth + 1)
                case ast.Try(body=inner) | ast.FunctionDef(body=inner):
                    self._visit(inner, depth + 1)
                case ast.For(target=ast.Name(id=name), iter=iterated, body=inner):
                    self._add(name, iterated)
                    self._visit(inner, depth + 1)
                case _:
                    self._assign(statement)

    def _assign(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._names[name] = [value]
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self._names[name] = [value]
            case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
                self._add(name, value)
            case ast.Assign(
                targets=[ast.Subscript(value=ast.Name(id=name), slice=key)], value=value
            ):
                self._add(name, ast.Dict(keys=[key], values=[value]))
            case ast.Expr(
                value=ast.Call(
                    func=ast.Attribute(
                        value=ast.Name(id=name), attr="append" | "extend" | "update" | "add"
                    ),
                    args=[value],
                )
            ):
                self._add(name, value)
            case _:
                return

    def _add(self, name: str, value: ast.expr) -> None:
        self._names.setdefault(name, []).append(value)


def holds(test: ast.expr) -> bool:
    """True if a condition holds; one about other things than Python and the system does not."""
    match test:
        case ast.Compare(left=left, ops=[order], comparators=[right]):
            try:
                return bool(_ORDER[type(order)](_value(left), _value(right)))
            except (KeyError, TypeError, ValueError, UnknownValueError):
                return False
        case ast.BoolOp(op=joined, values=values):
            return (all if isinstance(joined, ast.And) else any)(holds(each) for each in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not holds(operand)
        case _:
            return False


def _value(node: ast.expr) -> object:
    match node:
        case ast.Subscript(value=inner, slice=index):
            known = _value(inner)
            if not isinstance(known, tuple):
                raise UnknownValueError
            match index:
                case ast.Constant(value=int(at)):
                    return known[at] if at < len(known) else 0
                case ast.Slice(lower=None, upper=ast.Constant(value=int(end)), step=None):
                    return known[:end]
                case _:
                    raise UnknownValueError
        case ast.Name(id="__name__"):
            return "__main__"
        case ast.Attribute() | ast.Call():
            return _KNOWN[ast.unparse(node)]
        case _:
            return ast.literal_eval(node)


def is_name_of_file(text: str) -> bool:
    """True if a text looks like the name of a file of requirements."""
    stem, suffix = os.path.splitext(os.path.basename(text))  # noqa: PTH119, PTH122
    return suffix in (".txt", ".in", ".pip") and bool(stem) and "\n" not in text
