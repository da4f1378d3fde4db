"""The places of syntax-tree nodes in a text, in bytes, as `ast` counts columns."""

from __future__ import annotations

import ast

from agent.editing.python_source import source_lines


class BytePlaces:
    """A text and the byte offsets of its lines."""

    def __init__(self, text: str) -> None:
        self.lines = [line.encode() for line in source_lines(text)]
        self.data = b"".join(self.lines)

    def offset(self, line: int, column: int) -> int:
        """The offset of a column, in bytes as `ast` counts, of a line from 1 on."""
        return sum(map(len, self.lines[: line - 1])) + column

    def of(self, node: ast.expr | ast.stmt | ast.arg) -> tuple[int, int]:
        """The offsets of a node's begin and end."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self.offset(node.lineno, node.col_offset), self.offset(end_line, end_column)
