"""A file as text spans of its syntax tree, so that an edit keeps every other byte."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from agent.editing.python_source import parse_python

_LARGEST = 1e15
_BLOCKS = ("body", "orelse", "finalbody")
Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Other text for a span of a file, in bytes of its UTF-8 form."""

    start: int
    end: int
    text: str
    kind: str


def is_huge(value: object) -> bool:
    """True for a number that is neither varied nor put elsewhere.

    Of such a one, the tenth part may be no float, and Python does not even write the longest.
    """
    return isinstance(value, int | float) and abs(value) > _LARGEST


class ParsedFile:
    """One Python file, parsed."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.text = text
        self.tree = tree
        self._data = text.encode("utf-8", "surrogatepass")
        self._starts = [0]
        for line in self._data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self.parents: dict[ast.AST, ast.AST] = {
            child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
        }
        self._beginning: dict[int, list[ast.stmt]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.stmt):
                self._beginning.setdefault(node.lineno, []).append(node)

    @cached_property
    def constants(self) -> Mapping[str, Sequence[int]]:
        """The lines of each constant that is no huge number, by its value as Python writes it."""
        found: dict[str, list[int]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and not is_huge(node.value):
                found.setdefault(repr(node.value), []).append(node.lineno)
        return found

    @cached_property
    def loaded(self) -> frozenset[str]:
        """The names that the file uses."""
        nodes = (node for node in ast.walk(self.tree) if isinstance(node, ast.Name))
        return frozenset(node.id for node in nodes if isinstance(node.ctx, ast.Load))

    @classmethod
    def of(cls, text: str) -> ParsedFile | None:
        """Parse a file; None if it is not Python."""
        # other characters end lines for `str.splitlines` than for Python's parser
        if "\f" in text or "\r" in text.replace("\r\n", ""):
            return None
        tree = parse_python(text)
        return None if tree is None else cls(text, tree)

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """The first byte of a node and the byte behind it."""
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)
        return start, end

    def position(self, line: int, column: int) -> int:
        """The byte of a column of a line, as syntax trees count them."""
        return self._starts[line - 1] + column

    def line_start(self, line: int) -> int:
        """The first byte of a line; lines count from 1."""
        return self._starts[min(line - 1, len(self._starts) - 1)]

    def code(self, node: ast.expr | ast.stmt) -> str:
        """The text of a node."""
        return self.between(*self.span(node))

    def between(self, start: int, end: int) -> str:
        """The text of a span."""
        return self._data[start:end].decode("utf-8", "surrogatepass")

    def replace(self, node: ast.expr | ast.stmt, text: str, kind: str) -> Edit:
        """The edit that puts other text in the place of a node."""
        start, end = self.span(node)
        return Edit(start=start, end=end, text=text, kind=kind)

    def edited(self, edit: Edit) -> str:
        """The whole file after an edit."""
        data = self._data
        new = edit.text.encode("utf-8", "surrogatepass")
        return (data[: edit.start] + new + data[edit.end :]).decode("utf-8", "surrogatepass")

    def parses_with(self, edit: Edit) -> bool:
        """True if the file is Python after an edit. Only the outermost statement around it is read anew."""
        for node in self.tree.body:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            start, end = self.line_start(first), self.line_start((node.end_lineno or first) + 1)
            if start <= edit.start and edit.end <= end:
                text = self.between(start, edit.start) + edit.text + self.between(edit.end, end)
                if parse_python(text) is not None:
                    return True
        return parse_python(self.edited(edit)) is not None

    def statements(self, line: int) -> Sequence[ast.stmt]:
        """The statements that begin on a line."""
        return self._beginning.get(line, ())

    def block(self, statement: ast.stmt) -> Sequence[ast.stmt]:
        """The statements among which one stands, itself included."""
        above = self.parents.get(statement)
        blocks = (getattr(above, name, None) for name in _BLOCKS)
        return next((b for b in blocks if isinstance(b, list) and statement in b), [statement])

    def own_nodes(self, statement: ast.stmt) -> Iterator[ast.AST]:
        """The nodes of a statement; those of its decorators and inner statements are left out."""
        decorators = getattr(statement, "decorator_list", [])
        waiting: list[ast.AST] = [statement]
        while waiting:
            node = waiting.pop(0)
            yield node
            children = (c for c in ast.iter_child_nodes(node) if c not in decorators)
            waiting += [c for c in children if not isinstance(c, ast.stmt)]

    def scope(self, node: ast.AST) -> Scope:
        """The function, class or module around a node."""
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, Scope):
                return node
        return self.tree
