"""Joins the two ways to put definitions into a file: `ast` for Python, tree-sitter for the rest."""

from __future__ import annotations

import ast
from collections.abc import Collection
from types import MappingProxyType

from agent.context.outline import GRAMMARS, has_outline
from agent.editing import grafting, placing, python_parts
from agent.editing.guards import vanished_definitions, vanished_names
from agent.editing.placed import PlacedText
from agent.editing.python_source import definitions, parse_python
from agent.editing.units import ParsedSource

_PYTHON = (".py", ".pyi")
_TAGS = MappingProxyType(
    {"python": ".py", "python3": ".py", "javascript": ".js", "node": ".js", "typescript": ".ts",
     "golang": ".go", "rust": ".rs", "ruby": ".rb", "c++": ".cpp"}
)  # fmt: skip
_PACKAGES_OF_ONE = MappingProxyType({"tree_sitter_c": "tree_sitter_cpp"})
"""Headers of C end as those of C++ do."""


def takes_parts(path: str) -> bool:
    """True for a file into which single definitions can be put."""
    return has_outline(path)


def is_language_of(path: str, tag: str) -> bool:
    """True if a file is in the language that the tag of a fenced block names; an empty tag fits all."""
    suffix = _TAGS.get(tag, f".{tag}")
    if not tag or suffix not in GRAMMARS:
        return not tag
    known = GRAMMARS.get(f".{path.rpartition('.')[2]}")
    return known is not None and _family(known.package) == _family(GRAMMARS[suffix].package)


def is_part_of(path: str, block: str, before: str, *, may_vanish: Collection[str] = ()) -> bool:
    """True if a block gives some definitions of a file, or new ones, but not the whole file."""
    if path.endswith(_PYTHON):
        return python_parts.is_part_of(block, before, may_vanish=may_vanish)
    return grafting.is_part_of(path, block, before, may_vanish=may_vanish)


def place_definitions(
    path: str, before: str, block: str, *, of_class: str = "", may_vanish: Collection[str] = ()
) -> PlacedText | None:
    """The file with the definitions of a block put in; None where that cannot be done."""
    if path.endswith(_PYTHON):
        return placing.place_definitions(before, block, of_class=of_class, may_vanish=may_vanish)
    return grafting.place_definitions(path, before, block, of_class=of_class, may_vanish=may_vanish)


def vanished(path: str, before: str, after: str, *, may_vanish: Collection[str]) -> tuple[str, ...]:
    """The definitions of the old text that the new one lacks."""
    if path.endswith(_PYTHON):
        return vanished_definitions(before, after, may_vanish=may_vanish)
    return vanished_names(before, after, path=path, may_vanish=may_vanish)


def names_in(path: str, text: str) -> frozenset[str]:
    """The plain names of all definitions of a file, or of a block that is meant for it."""
    if path.endswith(_PYTHON):
        return frozenset(name.rpartition(".")[2] for name in definitions(text))
    source = grafting.read_block(path, text)
    if source is None or source.faults:
        source = ParsedSource.of(path, text)
    return frozenset(unit.plain for _, unit in source.every()) if source else frozenset()


def classes_in(path: str, text: str) -> tuple[str, ...]:
    """The names of all classes of a file; in Python with the class that they are in."""
    if path.endswith(_PYTHON):
        found = definitions(text).items()
        return tuple(name for name, node in found if isinstance(node, ast.ClassDef))
    source = ParsedSource.of(path, text)
    types = [unit for _, unit in source.every() if unit.is_holder] if source else []
    return tuple(dict.fromkeys(unit.name.removeprefix("impl") for unit in types))


def parses(path: str, block: str) -> bool:
    """True if a block is code of the language of a file."""
    if path.endswith(_PYTHON):
        return parse_python(block) is not None
    source = grafting.read_block(path, block)
    return source is not None and not source.faults


def _family(package: str) -> str:
    family = _PACKAGES_OF_ONE.get(package, package)
    return "tree_sitter_javascript" if family == "tree_sitter_typescript" else family
