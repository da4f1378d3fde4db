"""Says of a block of Python how much of a file it gives, and takes parts out of one by the syntax tree."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Collection

from agent.editing.python_source import (
    DefinitionNode,
    FunctionNode,
    bound_names,
    definitions,
    first_line,
    parse_python,
    without_nodes,
)


def is_part_of(block: str, before: str, *, may_vanish: Collection[str] = ()) -> bool:
    """True if a block gives some definitions of a file, or new ones, but not the whole file.

    One that gives all of them is a part, too, where it uses what only the rest of the file binds.
    """
    given = definitions(textwrap.dedent(block))
    plain = {name.rpartition(".")[2] for name in given} | bound_names(textwrap.dedent(block))
    kept = [name for name in definitions(before) if name.rpartition(".")[2] not in may_vanish]
    missing = [name for name in kept if name.rpartition(".")[2] not in plain]
    lost = bound_names(before) - plain
    loses_values = bool(given) and not kept and bool(lost)
    needs_rest = bool((lost - set(may_vanish)) & _used(block))
    return bool(given) and (bool(missing) or loses_values or needs_rest)


def _used(block: str) -> frozenset[str]:
    """The names that a block reads and binds nowhere, in none of its functions."""
    tree = parse_python(textwrap.dedent(block))
    nodes = list(ast.walk(tree)) if tree is not None else []
    names = [node for node in nodes if isinstance(node, ast.Name)]
    bound = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}
    return frozenset(node.id for node in names) - bound


def without_known_tests(block: str, before: str, *, asked: Collection[str] = ()) -> str:
    """A block of new tests without the test functions that the file has already; the block if none is new.

    Tests in `asked` may be given anew. Classes, other definitions and imports stay in the block.
    """
    source = textwrap.dedent(block)
    tree = parse_python(source)
    if tree is None:
        return block
    known = definitions(before).keys() - set(asked)
    tests = [node for node in tree.body if isinstance(node, DefinitionNode) and _is_test(node)]
    dropped = [node for node in tests if node.name in known and isinstance(node, FunctionNode)]
    if len(dropped) == len(tests):
        return block
    lines: list[str | None] = [*source.split("\n")]
    for node in dropped:
        lines[first_line(node) - 1 : (node.end_lineno or node.lineno)] = [None] * (
            (node.end_lineno or node.lineno) - first_line(node) + 1
        )
    new = "\n".join(line for line in lines if line is not None)
    return new if is_part_of(new, before) else block


def without_definitions(source: str, names: Collection[str]) -> str:
    """The source without the top-level functions and classes of these names, and the blank lines above them."""
    tree = parse_python(source)
    body = tree.body if tree is not None else []
    return without_nodes(
        source, [node for node in body if isinstance(node, DefinitionNode) and node.name in names]
    )


def _is_test(node: DefinitionNode) -> bool:
    return node.name.startswith(("test_", "Test"))
