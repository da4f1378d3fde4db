"""Breaks one function of a Python file: its body becomes an older one, or raises.

Signature, decorators and docstring stay, so the rest still says what the function shall do. The
module reads with `ast` and executes nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from agent.editing.python_source import (
    FunctionNode,
    definitions,
    is_stub,
    parse_python,
    source_of,
)

MOST_LINES = 30
"""Lines of the longest function that can be a task."""
_STUB = "raise NotImplementedError"


def small_functions(source: str) -> Mapping[str, str]:
    """The text of each function and method that can be a task, by qualified name.

    Special methods, overloads, functions on one line and those that do nothing are left out.
    """
    lines = source.split("\n")
    return {
        name: source_of(source, node)
        for name, node in definitions(source).items()
        if not isinstance(node, ast.ClassDef) and _is_task(name, node, lines)
    }


def stubbed(source: str, name: str) -> str | None:
    """The file with one function that only raises NotImplementedError; None if it cannot be."""
    node = _function(source, name)
    if node is None:
        return None
    lines = source.split("\n")
    first = lines[_code(node)[0].lineno - 1]
    indent = first[: len(first) - len(first.lstrip())]
    return _with_body(source, node, [indent + _STUB])


def with_older_body(source: str, name: str, older: str) -> str | None:
    """The file with one function's body as it was in an older version of the file.

    None if the older version has no such function, the same one, or one with other parameters.
    """
    node, before = _function(source, name), _function(older, name)
    if node is None or before is None:
        return None
    same_head = ast.dump(node.args) == ast.dump(before.args) and type(node) is type(before)
    same_place = node.col_offset == before.col_offset
    if not same_head or not same_place or _dumped(node) == _dumped(before):
        return None
    first, last = _span(before)
    return _with_body(source, node, older.split("\n")[first - 1 : last])


def differing(source: str, other: str) -> str:
    """Names of the functions that differ between two versions of a file, with commas."""
    texts = [
        {
            name: source_of(text, node)
            for name, node in definitions(text).items()
            if not isinstance(node, ast.ClassDef)
        }
        for text in (source, other)
    ]
    names = dict.fromkeys([*texts[0], *texts[1]])
    return ",".join(name for name in names if texts[0].get(name) != texts[1].get(name))


def _function(source: str, name: str) -> FunctionNode | None:
    node = definitions(source).get(name)
    if node is None or isinstance(node, ast.ClassDef):
        return None
    return node if _is_task(name, node, source.split("\n")) else None


def _is_task(name: str, node: FunctionNode, lines: Sequence[str]) -> bool:
    plain = name.rpartition(".")[2]
    if plain.startswith("__") or is_stub(node) or not _code(node):
        return False
    if any(isinstance(item, ast.Name) and item.id == "overload" for item in node.decorator_list):
        return False
    first, last = _span(node)
    own_lines = not lines[first - 1][: _code(node)[0].col_offset].strip()
    return own_lines and first > node.lineno and last - node.lineno < MOST_LINES


def _code(node: FunctionNode) -> Sequence[ast.stmt]:
    """The body without its docstring."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def _span(node: FunctionNode) -> tuple[int, int]:
    """First and last line of the body's code, counted from 1."""
    code = _code(node)
    first = code[0]
    decorators = first.decorator_list if isinstance(first, FunctionNode | ast.ClassDef) else []
    start = min([first.lineno, *(item.lineno for item in decorators)])
    return start, code[-1].end_lineno or code[-1].lineno


def _dumped(node: FunctionNode) -> list[str]:
    return [ast.dump(item) for item in _code(node)]


def _with_body(source: str, node: FunctionNode, body: Sequence[str]) -> str | None:
    lines = source.split("\n")
    first, last = _span(node)
    text = "\n".join([*lines[: first - 1], *body, *lines[last:]])
    return text if parse_python(text) is not None else None
