"""Sets definitions apart by two blank lines, as Python code is usually written, where an edit has put them close."""

from __future__ import annotations

import ast
from itertools import pairwise

from agent.editing.python_source import DefinitionNode, parse_python

_USUAL = 2


def set_apart(text: str, before: str) -> str:
    """The text with two blank lines around a top-level definition where it has fewer and the text before had not.

    A seam with a comment in it stays, and so does a file whose definitions stood closer before.
    """
    if any(blank < _USUAL for blank in _seams(before).values()):
        return text
    lines = text.split("\n")
    for row, blank in sorted(_seams(text).items(), reverse=True):
        lines[row:row] = [""] * (_USUAL - blank)
    made = "\n".join(lines)
    return made if parse_python(made) is not None else text


def _seams(text: str) -> dict[int, int]:
    """The blank lines around each top-level definition, by the row (from 0) that follows them."""
    tree = parse_python(text)
    lines = text.split("\n")
    found: dict[int, int] = {}
    for above, below in pairwise(tree.body if tree is not None else ()):
        if not isinstance(above, DefinitionNode) and not isinstance(below, DefinitionNode):
            continue
        end, row = above.end_lineno or above.lineno, _first_row(below)
        if row >= end and not any(line.strip() for line in lines[end:row]):
            found[row] = row - end
    return found


def _first_row(node: ast.stmt) -> int:
    """The row (from 0) on which a statement begins, with its decorators."""
    decorators = node.decorator_list if isinstance(node, DefinitionNode) else []
    return min([node.lineno, *(each.lineno for each in decorators)]) - 1
