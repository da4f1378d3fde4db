"""Gives fields of data classes a factory where they have a list, dict or set as default, which Python refuses."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from agent.editing.python_source import parse_python, source_lines
from agent.editing.splicing import TextSplice, spliced

_MAKERS = frozenset({"list", "dict", "set"})


def with_factories(source: str) -> str:
    """The source with `field(default_factory=…)` for such defaults; `field` itself is not imported."""
    tree = parse_python(source)
    if tree is None:
        return source
    lines = [line.encode() for line in source_lines(source)]
    splices = []
    for value in _refused(tree):
        start, end = (
            sum(map(len, lines[: line - 1])) + column
            for line, column in (
                (value.lineno, value.col_offset),
                (value.end_lineno or value.lineno, value.end_col_offset or 0),
            )
        )
        text = f"field(default_factory={_factory(value)})".encode()
        splices.append(TextSplice(start=start, end=end, text=text))
    return spliced(b"".join(lines), splices) if splices else source


def _refused(tree: ast.Module) -> Iterator[ast.expr]:
    """The defaults of data classes' fields that are new lists, dicts or sets."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(map(_is_dataclass, node.decorator_list)):
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and item.value and _factory(item.value):
                    yield item.value


def _is_dataclass(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name == "dataclass"


def _factory(value: ast.expr) -> str:
    """The factory that makes such a default; empty for other values."""
    match value:
        case ast.List(elts=[]):
            return "list"
        case ast.Dict(keys=[]):
            return "dict"
        case ast.List() | ast.Dict() | ast.Set():
            return f"lambda: {ast.unparse(value)}"
        case ast.Call(func=ast.Name(id=name), args=[], keywords=[]) if name in _MAKERS:
            return name
        case _:
            return ""
