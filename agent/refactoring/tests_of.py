"""Removes the tests of a definition: those that use its name, and the imports of it."""

from __future__ import annotations

import ast

from agent.editing.python_source import DefinitionNode, definitions, parse_python, source_lines
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources


def without_tests_of(name: str, sources: Sources) -> dict[str, str | None]:
    """The test files without the tests that use a name; None for a file of which nothing is left."""
    found: dict[str, str | None] = {}
    for path in sorted(sources.files):
        text = sources.text(path) or ""
        if path.endswith(".py") and is_test_path(path) and name in text:
            after = _without(name, text)
            if after != text:
                found[path] = after if _has_more(after) else None
    return found


def _without(name: str, text: str) -> str:
    tree = parse_python(text)
    if tree is None:
        return text
    lines: list[str | None] = [*source_lines(text)]
    for qualified, node in definitions(text).items():
        last = qualified.rpartition(".")[2]
        if last.startswith("test") and not isinstance(node, ast.ClassDef) and _uses(name, node):
            _drop(lines, node)
    rest = parse_python("".join(line for line in lines if line is not None))
    if rest is not None and not _uses(name, rest):
        for statement in ast.walk(tree):
            if isinstance(statement, ast.ImportFrom):
                _drop_import(lines, statement, name)
    after = "".join(line for line in lines if line is not None).rstrip("\n") + "\n"
    return after if parse_python(after) is not None else text


def _uses(name: str, node: ast.AST) -> bool:
    return any(
        (isinstance(each, ast.Name) and each.id == name)
        or (isinstance(each, ast.Attribute) and each.attr == name)
        for each in ast.walk(node)
    )


def _drop(lines: list[str | None], node: DefinitionNode) -> None:
    """Take out a definition, its decorators, and the blank lines above it."""
    first = min([node.lineno, *(item.lineno for item in node.decorator_list)]) - 1
    while first and not (lines[first - 1] or "").strip():
        first -= 1
    last = node.end_lineno or node.lineno
    lines[first:last] = [None] * (last - first)


def _drop_import(lines: list[str | None], statement: ast.ImportFrom, name: str) -> None:
    """Take one name out of an import of several; the whole import, if it is the only one."""
    left = [each for each in statement.names if each.name != name]
    if len(left) == len(statement.names):
        return
    first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
    indent = " " * statement.col_offset
    whole = ast.ImportFrom(module=statement.module, names=left, level=statement.level)
    lines[first:last] = [
        f"{indent}{ast.unparse(whole)}\n" if left else None,
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
