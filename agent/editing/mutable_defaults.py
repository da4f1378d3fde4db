"""Gives fields of data classes a factory where they have a list, dict or set as default, which Python refuses.

Only defaults that Python surely refuses change: plain literals of constants in classes of the standard library's
`dataclass`, and no class variables.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

from agent.editing.byte_places import BytePlaces
from agent.editing.python_source import parse_python
from agent.editing.splicing import TextSplice, spliced

_FIELD = "field"
_MAKERS = frozenset({"list", "dict", "set"})


def with_factories(source: str) -> str:
    """The source with `field(default_factory=…)` for such defaults; `field` itself is not imported."""
    tree = parse_python(source)
    if tree is None:
        return source
    places, splices = BytePlaces(source), list[TextSplice]()
    for value in _refused(tree):
        start, end = places.of(value)
        text = f"field(default_factory={_factory(value)})".encode()
        splices.append(TextSplice(start=start, end=end, text=text))
    return spliced(places.data, splices) if splices else source


def _refused(tree: ast.Module) -> Iterator[ast.expr]:
    """The defaults of data classes' fields that are new lists, dicts or sets."""
    decorators = set(_dataclasses(tree))
    if _FIELD in _bound(tree):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(
            _name(d) in decorators for d in node.decorator_list
        ):
            values = (each.value for each in node.body if _is_field(each))
            yield from (each for each in values if each is not None and _factory(each))


def _is_field(statement: ast.stmt) -> TypeGuard[ast.AnnAssign]:
    """True for a field of an object, with a value on one line: no comment is lost with it."""
    return (
        isinstance(statement, ast.AnnAssign)
        and not any(word in ast.unparse(statement.annotation) for word in ("ClassVar", "InitVar"))
        and statement.value is not None
        and statement.value.lineno == statement.value.end_lineno
    )


def _dataclasses(tree: ast.Module) -> Iterator[str]:
    """The names by which a file has the standard library's `dataclass`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "dataclasses":
            yield from (a.asname or a.name for a in node.names if a.name == "dataclass")
        elif isinstance(node, ast.Import):
            names = (a.asname or a.name for a in node.names if a.name == "dataclasses")
            yield from (f"{name}.dataclass" for name in names)


def _bound(tree: ast.Module) -> set[str]:
    """The names that a file defines or assigns, imports from `dataclasses` aside."""
    found = {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom) and node.module != "dataclasses":
            found |= {a.asname or a.name for a in node.names}
    return found


def _name(decorator: ast.expr) -> str:
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)


def _factory(value: ast.expr) -> str:
    """The factory that makes such a default; empty for other values."""
    match value:
        case ast.List(elts=[]):
            return "list"
        case ast.Dict(keys=[]):
            return "dict"
        case ast.List() | ast.Dict() | ast.Set() if _is_constant(value):
            return f"lambda: {ast.unparse(value)}"
        case ast.Call(func=ast.Name(id=name), args=[], keywords=[]) if name in _MAKERS:
            return name
        case _:
            return ""


def _is_constant(value: ast.expr) -> bool:
    return not any(
        isinstance(node, (ast.Name, ast.Call, ast.Attribute)) for node in ast.walk(value)
    )
