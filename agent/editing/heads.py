"""Puts lines at the head of a module: behind its docstring and its imports."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from agent.editing.byte_places import BytePlaces
from agent.editing.splicing import TextSplice


def below_imports(tree: ast.Module, place: BytePlaces, lines: Sequence[str]) -> TextSplice:
    """Lines below the imports at the top, or below the docstring, with a blank line around them.

    Raises:
        ValueError: If another statement shares the last line of the head.
    """
    return _put(tree, _head(tree), place, lines, joined=False)


def with_imports(tree: ast.Module, place: BytePlaces, lines: Sequence[str]) -> TextSplice:
    """Import lines behind those that are there; behind the docstring where there are none.

    Raises:
        ValueError: If another statement shares the last line of the head.
    """
    head = _head(tree)
    is_import = head is not None and isinstance(head, ast.Import | ast.ImportFrom)
    return _put(tree, head, place, lines, joined=is_import)


def _head(tree: ast.Module) -> ast.stmt | None:
    """The last statement of the docstring and the imports with which a module begins."""
    last: ast.stmt | None = None
    for number, node in enumerate(tree.body):
        is_docstring = number == 0 and ast.get_docstring(tree) is not None
        if not (is_docstring or isinstance(node, ast.Import | ast.ImportFrom)):
            break
        last = node
    return last


def _put(
    tree: ast.Module,
    head: ast.stmt | None,
    place: BytePlaces,
    lines: Sequence[str],
    *,
    joined: bool,
) -> TextSplice:
    text = "".join(f"{line}\n" for line in lines)
    if head is None:
        begin = _above_the_first(tree, place)
        gap = "\n\n" if tree.body else ""
        return TextSplice(start=begin, end=begin, text=(text + gap).encode())
    end = head.end_lineno or head.lineno
    if any(node.lineno == end for node in tree.body if node is not head):
        raise ValueError("two statements share a line at the head of the file")
    at = place.offset(end + 1, 0)
    newline = "" if place.data[:at].endswith(b"\n") else "\n"
    return TextSplice(start=at, end=at, text=(newline + ("" if joined else "\n") + text).encode())


def _above_the_first(tree: ast.Module, place: BytePlaces) -> int:
    """The place above the first statement, its decorators and the comment that stands right above it."""
    if not tree.body:
        return len(place.data)
    first = tree.body[0]
    line = min([first.lineno, *(each.lineno for each in getattr(first, "decorator_list", ()))])
    above = line
    while above > 1 and place.lines[above - 2].lstrip().startswith(b"#"):
        above -= 1
    return place.offset(above if above > 1 else line, 0)  # a comment on line 1 is the file's own
