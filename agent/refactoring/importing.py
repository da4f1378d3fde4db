"""Keeps the way in which a file imports what has moved: by its name, where it did so before."""

from __future__ import annotations

import ast
import re
from typing import TypeGuard

from agent.editing.byte_places import BytePlaces
from agent.editing.python_source import imports, parse_python
from agent.editing.splicing import TextSplice, spliced
from agent.refactoring.binding import names_bound_by


def imported_by_name(after: str, before: str, module: str, name: str) -> str:
    """A file that imported `name` by itself, and does so from its new module, where rope made `module.name` of it.

    The file as it is where it uses the module for something else, too, where the module's name means anything else
    in it, or where it did not import the name so.
    """
    had = {(item.name, item.alias) for item in imports(before)}
    line = re.compile(rf"^import {re.escape(module)}$", re.MULTILINE)
    tree, place = parse_python(after), BytePlaces(after)
    if tree is None or (name, name) not in had or not line.search(after) or line.search(before):
        return after
    uses = [node for node in ast.walk(tree) if _is_use(node, module, name)]
    root = module.partition(".")[0]
    reads = sum(isinstance(node, ast.Name) and node.id == root for node in ast.walk(tree))
    bound = sum(each == root for node in ast.walk(tree) for each in names_bound_by(node))
    if reads != len(uses) or bound != 1:  # by its import alone
        return after
    splices = []
    for node in uses:
        start, end = place.of(node)
        splices.append(TextSplice(start=start, end=end, text=name.encode()))
    text = line.sub(f"from {module} import {name}", spliced(place.data, splices), count=1)
    return after if parse_python(text) is None else text


def _is_use(node: ast.AST, module: str, name: str) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and ast.unparse(node) == f"{module}.{name}"


def still_imports(text: str, module: str, name: str) -> bool:
    """True if some part of a file imports a name from a module that does not have it any more."""
    tree = parse_python(text)
    last = module.rpartition(".")[2]
    return tree is not None and any(
        isinstance(node, ast.ImportFrom)
        and (node.module or "").rpartition(".")[2] == last
        and any(alias.name == name for alias in node.names)
        for node in ast.walk(tree)
    )
