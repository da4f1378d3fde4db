"""Puts the old API back into code that uses the new one, at the places that its syntax tree gives.

The twin differs from the code in nothing else, so what a model learns between the two is the name.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from learning.contexts.change import ApiChange, ChangeKind
from learning.contexts.use import Span

_UNNAMED = (0, 0)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


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
    name: Span | None = None
    """The part that spells the new API; empty if none does, None if it is the whole."""


def stale_twin(code: str, change: ApiChange) -> Twin | None:
    """The code with the old API in every place of the new one.

    None if it does not use the new one, or would be no Python with the old one.
    """
    tree = _parsed(code)
    if tree is None:
        return None
    edits = sorted(
        _FINDERS[change.kind](tree, _NamePlaces(code), change), key=lambda edit: edit.start
    )
    if not edits or any(a.end > b.start for a, b in itertools.pairwise(edits)):
        return None
    stale, end = "", 0
    for edit in edits:
        stale += code[end : edit.start] + edit.text
        end = edit.end
    stale += code[end:]
    if _parsed(stale) is None:
        return None
    named = ((e.start, e.end) if e.name is None else e.name for e in edits)
    names = tuple((start, end) for start, end in named if start < end)
    return Twin(stale=stale, names=names)


def successor_places(code: str, change: ApiChange) -> tuple[Span, ...]:
    """Places of the successor's name in code of which no stale twin can be made: `pd.concat(frames)`.

    Only of calls in another form. A keyword, a text and a plain type are no names by themselves, and a mere
    other name always has a twin.
    """
    forms = (ChangeKind.FUNCTION, ChangeKind.JOINED, ChangeKind.VARIANT, ChangeKind.CHAIN)
    if change.kind not in (*forms, ChangeKind.CALL):
        return ()
    tree = _parsed(code)
    if tree is None:
        return ()
    places = _NamePlaces(code)
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    ends = sorted(places.end(call.func) for call in calls if _called(call) == change.last)
    return tuple((end - len(change.last), end) for end in ends)


def _parsed(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


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


def _joined(tree: ast.Module, places: _NamePlaces, change: ApiChange) -> Iterator[_TwinEdit]:
    """Calls of the module's function with a list, as calls of the method of the list's first item."""
    name = change.new.rpartition(".")[2]
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=attribute, value=ast.Name()),
                args=[ast.List(elts=[first, second, *more]) as items, *_],
            ) if attribute == name and not isinstance(first, ast.Starred):
                taken = places.text(first)
                if not isinstance(first, ast.Name | ast.Call | ast.Attribute | ast.Subscript):
                    taken = f"({taken})"
                opened = "([" if more or isinstance(second, ast.Starred) else "("
                start, end = places.start(node.func), places.end(items)
                text = f"{taken}.{change.old}{opened}"
                named = places.end(node.func)
                yield _TwinEdit(start, places.start(second), text, (named - len(name), named))
                if opened == "(":
                    yield _TwinEdit(places.end(second), end, "", _UNNAMED)


def _variants(tree: ast.Module, places: _NamePlaces, change: ApiChange) -> Iterator[_TwinEdit]:
    """Calls of the new function, as calls of the old one with the argument that is gone."""
    old, _, argument = change.old.removesuffix(")").partition("(")
    keyword = argument.partition("=")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) == change.new:
            if any(each.arg in (keyword, None) for each in node.keywords):
                continue
            end = places.end(node.func)
            yield _TwinEdit(end - len(change.new), end, old)
            if _is_bare_generator(node, places):
                yield _TwinEdit(end, end, "(", _UNNAMED)
                yield _TwinEdit(places.end(node), places.end(node), f", {argument})", _UNNAMED)
                continue
            given = [*map(places.end, node.args), *map(places.end, node.keywords)]
            at = max(given, default=places.end(node) - 1)
            yield _TwinEdit(at, at, f", {argument}" if given else argument, _UNNAMED)
        elif isinstance(node, ast.ImportFrom) and old != change.new:
            for alias in node.names:
                if alias.name == change.new and alias.asname is None:
                    yield _TwinEdit(places.start(alias), places.end(alias), old)


def _is_bare_generator(node: ast.Call, places: _NamePlaces) -> bool:
    """True for `f(a for a in b)`: the call's parentheses are those of its only argument."""
    match node.args:
        case [ast.GeneratorExp() as only]:
            return places.end(only) == places.end(node)
        case _:
            return False


def _chains(tree: ast.Module, places: _NamePlaces, change: ApiChange) -> Iterator[_TwinEdit]:
    """Calls of one method after another that takes the keyword, as one call that takes it itself."""
    method, keyword = _IDENTIFIER.findall(change.old)
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(
                    attr=last,
                    value=ast.Call(
                        func=ast.Attribute(attr=before) as outer,
                        args=[],
                        keywords=[ast.keyword(arg=given)],
                    ) as first,
                ),
                args=[],
                keywords=[],
            ) if (before, given, last) == (change.last, keyword, method):
                end = places.end(outer)
                yield _TwinEdit(end - len(before), end, method)
                yield _TwinEdit(places.end(first), places.end(node), "", _UNNAMED)


def _wraps(tree: ast.Module, places: _NamePlaces, change: ApiChange) -> Iterator[_TwinEdit]:
    """Methods of what a plain type makes of an object, as methods of the object itself."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(
                attr=method,
                value=ast.Call(
                    func=ast.Name(id=wrapper) as name, args=[inner], keywords=[]
                ) as made,
            ) if (wrapper, method) == (change.last, change.old):
                if isinstance(inner, ast.Name | ast.Call | ast.Attribute | ast.Subscript):
                    start, inside = places.start(made), places.start(inner)
                    yield _TwinEdit(start, inside, "", (start, places.end(name)))
                    yield _TwinEdit(places.end(inner), places.end(made), "", _UNNAMED)


def _after(node: ast.Call, first: ast.expr, places: _NamePlaces) -> int:
    if node.keywords:
        return places.start(node.keywords[0])
    return max(places.end(first), places.end(node) - 1)


_FINDERS: Mapping[
    ChangeKind, Callable[[ast.Module, _NamePlaces, ApiChange], Iterator[_TwinEdit]]
] = {
    ChangeKind.NAME: _names,
    ChangeKind.KEYWORD: _keywords,
    ChangeKind.VALUE: _values,
    ChangeKind.CALL: _calls,
    ChangeKind.FUNCTION: _methods,
    ChangeKind.JOINED: _joined,
    ChangeKind.VARIANT: _variants,
    ChangeKind.CHAIN: _chains,
    ChangeKind.WRAP: _wraps,
}
