"""Puts the old API back into code that uses the new one, at the places that its syntax tree gives.

The twin differs from the code in nothing else, so what a model learns between the two is the name.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from learning.contexts.change import ApiChange, ChangeKind
from learning.contexts.use import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """The stale form of a piece of code."""

    stale: str
    names: tuple[Span, ...]
    """Places of the new API in the code that the twin was made from."""


@dataclass(frozen=True, slots=True)
class _TwinEdit:
    start: int
    end: int
    text: str


def stale_twin(code: str, change: ApiChange) -> Twin | None:
    """The code with the old API in every place of the new one; None if it does not use the new one."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return None
    edits = sorted(_edits(tree, _NamePlaces(code), change), key=lambda edit: edit.start)
    if not edits or any(a.end > b.start for a, b in itertools.pairwise(edits)):
        return None
    stale, end = "", 0
    for edit in edits:
        stale += code[end : edit.start] + edit.text
        end = edit.end
    names = tuple((edit.start, edit.end) for edit in edits)
    return Twin(stale=stale + code[end:], names=names)


class _NamePlaces:
    """Character offsets of what the parser gives as lines and bytes."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._lines = code.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def at(self, line: int, column: int) -> int:
        text = self._lines[line - 1].encode()[:column].decode(errors="ignore")
        return self._starts[line - 1] + len(text)

    def start(self, node: ast.expr | ast.keyword | ast.alias) -> int:
        return self.at(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.keyword | ast.alias) -> int:
        return self.at(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def text(self, node: ast.expr) -> str:
        return self.code[self.start(node) : self.end(node)]


def _edits(tree: ast.Module, places: _NamePlaces, change: ApiChange) -> Iterator[_TwinEdit]:
    match change.kind:
        case ChangeKind.NAME:
            yield from _names(tree, places, change)
        case ChangeKind.KEYWORD:
            yield from _keywords(tree, places, change)
        case ChangeKind.VALUE:
            yield from _values(tree, places, change)
        case ChangeKind.CALL:
            yield from _calls(tree, places, change)
        case ChangeKind.FUNCTION:
            yield from _methods(tree, places, change)


def _names(tree: ast.Module, places: _NamePlaces, change: ApiChange) -> Iterator[_TwinEdit]:
    """Attributes that end in the new name, and the name itself where it is imported."""
    parts = change.new.split(".")
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(change.library)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _tail(node, len(parts)) == parts:
            end = places.end(node)
            written = places.code[:end]
            if written.endswith(change.new):
                yield _TwinEdit(end - len(change.new), end, change.old)
        elif change.new in imported and isinstance(node, ast.Name) and node.id == change.new:
            yield _TwinEdit(places.start(node), places.end(node), change.old)
        elif isinstance(node, ast.alias) and change.new in imported and node.asname is None:
            end = places.end(node)
            yield from [_TwinEdit(places.start(node), end, change.old)] * (node.name == change.new)


def _tail(node: ast.Attribute, length: int) -> list[str]:
    """The last names of a chain of attributes."""
    names: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute) and len(names) < length:
        names.append(inner.attr)
        inner = inner.value
    return names[::-1]


def _keywords(tree: ast.Module, places: _NamePlaces, change: ApiChange) -> Iterator[_TwinEdit]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) == change.holder:
            for keyword in node.keywords:
                if keyword.arg == change.new:
                    start = places.start(keyword)
                    yield _TwinEdit(start, start + len(change.new), change.old)


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _values(tree: ast.Module, places: _NamePlaces, change: ApiChange) -> Iterator[_TwinEdit]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        for value in _arguments(node):
            if isinstance(value, ast.Constant) and value.value == change.new:
                written = places.text(value)
                if written[1:-1] == change.new:
                    yield _TwinEdit(places.start(value) + 1, places.end(value) - 1, change.old)


def _arguments(node: ast.Call) -> Sequence[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def _calls(tree: ast.Module, places: _NamePlaces, change: ApiChange) -> Iterator[_TwinEdit]:
    """Calls of the new method without arguments, as the old call with its own."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=change.new), args=[], keywords=[]):
                end = places.end(node)
                start = places.end(node.func) - len(change.new)
                yield _TwinEdit(start, end, change.old)


def _methods(tree: ast.Module, places: _NamePlaces, change: ApiChange) -> Iterator[_TwinEdit]:
    """Calls of the module's function, as calls of the method of their first argument."""
    name = change.new.rpartition(".")[2]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr != name or not isinstance(node.func.value, ast.Name) or not node.args:
            continue
        first, *rest = node.args
        if isinstance(first, ast.Starred):
            continue
        taken = places.text(first)
        if not isinstance(first, ast.Name | ast.Call | ast.Attribute):
            taken = f"({taken})"
        behind = places.start(rest[0]) if rest else _after(node, first, places)
        yield _TwinEdit(places.start(node.func), behind, f"{taken}.{change.old}(")


def _after(node: ast.Call, first: ast.expr, places: _NamePlaces) -> int:
    if node.keywords:
        return places.start(node.keywords[0])
    return max(places.end(first), places.end(node) - 1)
