"""Removes the tests of a definition: those that use what their file imports of it, and that import."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from agent.editing.python_source import (
    DefinitionNode,
    FunctionNode,
    parse_python,
    source_lines,
    without_nodes,
)
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources


def without_tests_of(name: str, path: str, sources: Sources) -> dict[str, str | None]:
    """The test files without the tests of a definition of a file; None for a file of which nothing is left.

    A test that cannot be told apart (the name comes otherwise than by an import of that file) stays.
    """
    found: dict[str, str | None] = {}
    for each in sorted(sources.files):
        text = sources.text(each) or ""
        if each.endswith(".py") and is_test_path(each) and name in text:
            after = _without(name, PurePosixPath(path).stem, text)
            if after != text:
                found[each] = after if _has_more(after) else None
    return found


def _without(name: str, module: str, text: str) -> str:
    tree = parse_python(text)
    if tree is None:
        return text
    uses = _Uses(tree, name, module)
    gone: list[DefinitionNode] = [node for node in _tests(tree) if uses.within(node)]
    emptied = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and gone and all(each in gone for each in node.body)
    ]
    after = without_nodes(text, [*gone, *emptied])
    rest = parse_python(after)
    if rest is None or not gone:
        return text
    if _loads(rest, uses.local):
        return after
    lines: list[str | None] = [*source_lines(after)]
    for statement in rest.body:
        if isinstance(statement, ast.ImportFrom) and _is_alone(statement, rest):
            _drop_import(lines, statement, name, uses.local)
    without_imports = "".join(line for line in lines if line is not None)
    return without_imports if parse_python(without_imports) is not None else text


class _Uses:
    """The names that stand for one definition in a file of tests."""

    def __init__(self, tree: ast.Module, name: str, module: str) -> None:
        self._name = name
        self.local: set[str] = set()
        self._modules: set[str] = set()
        for node in ast.walk(tree):
            match node:
                case ast.ImportFrom(module=source) if (source or "").rpartition(".")[2] == module:
                    self.local |= {a.asname or a.name for a in node.names if a.name == name}
                case ast.ImportFrom():
                    self._modules |= {a.asname or a.name for a in node.names if a.name == module}
                case ast.Import():
                    fits = (a for a in node.names if a.name.rpartition(".")[2] == module)
                    self._modules |= {a.asname or a.name for a in fits}
                case _:
                    pass

    def within(self, node: FunctionNode) -> bool:
        """True if a test uses the definition, and not a name of its own."""
        own = {
            n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        own |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
        own |= {n.name for n in ast.walk(node) if isinstance(n, DefinitionNode) and n is not node}
        if _loads(node, self.local - own):
            return True
        return any(
            isinstance(n, ast.Attribute)
            and n.attr == self._name
            and ast.unparse(n.value) in self._modules
            for n in ast.walk(node)
        )


def _loads(tree: ast.AST, names: Collection[str]) -> bool:
    return any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(tree))


def _tests(tree: ast.Module) -> Iterator[FunctionNode]:
    """The test functions, and the test methods of classes."""
    for node in tree.body:
        if isinstance(node, FunctionNode) and node.name.startswith("test"):
            yield node
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, FunctionNode) and each.name.startswith("test"):
                    yield each


def _is_alone(statement: ast.stmt, tree: ast.Module) -> bool:
    """True if no other statement shares the lines of one."""
    lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    return not any(other.lineno in lines for other in tree.body if other is not statement)


def _drop_import(
    lines: list[str | None], statement: ast.ImportFrom, name: str, local: Collection[str]
) -> None:
    """Take one name out of an import of several; the whole import, if it is the only one."""
    left = [a for a in statement.names if a.name != name or (a.asname or a.name) not in local]
    if len(left) == len(statement.names):
        return
    first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
    whole = ast.ImportFrom(module=statement.module, names=left, level=statement.level)
    lines[first:last] = [
        f"{ast.unparse(whole)}\n" if left else None,
        *([None] * (last - first - 1)),
    ]


def _has_more(text: str) -> bool:
    """True if a file has more than imports and words."""
    tree = parse_python(text)
    body = tree.body if tree is not None else []
    return not all(
        isinstance(node, (ast.Import, ast.ImportFrom))
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in body
    )
