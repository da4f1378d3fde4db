"""Reads the parts of a block beside its definitions: imports, new constants, lists of exports."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.editing.splicing import TextSplice
from agent.editing.units import ParsedSource, SourcePart, others, text_of

_IMPORTS = frozenset(
    {"import_statement", "import_declaration", "use_declaration", "preproc_include",
     "using_declaration"}
)  # fmt: skip
_CONSTANTS = frozenset(
    {"lexical_declaration", "variable_declaration", "const_declaration", "var_declaration",
     "const_item", "static_item", "preproc_def", "declaration", "assignment", "type_declaration"}
)  # fmt: skip
_FIRST = frozenset({"package_clause", "package_declaration"})
_REQUIRES = re.compile(r"\brequire(?:_relative)?\b")
_EXPORTS = re.compile(r"(?:module\.exports=|export)\{(?P<names>[\w,]*)\}")
_BOUND = re.compile(r"(\w+)(?=\s*[,;}]|\s+from\b|\s*=\s*require)")
_NAMED = re.compile(r"import\s*(?:type\s*)?\{(?P<names>[^}]*)\}\s*from\s*(?P<source>\S+?);?\s*$")


def beside(given: ParsedSource, old: ParsedSource) -> tuple[TextSplice, ...] | None:
    """The splices for all that is no definition; None if one would be passed over or lose something."""
    known = {part.text for part in _around(given, old)} | _specs(old.others)
    splices: list[TextSplice] = []
    for part in given.others:
        if part.text in known or (_is_list(part) and _specs([part]) <= known):
            continue
        splice = _import(part, old) if _is_import(part) else _constant(part, old)
        if splice is None:
            return None
        splices += [splice] if splice.text else []
    return tuple(splices)


def _around(given: ParsedSource, old: ParsedSource) -> tuple[SourcePart, ...]:
    """The parts beside the definitions of a block: of the file, and of a class or module that has all of them."""
    mine = {unit.name for unit in given.units}
    holders = (unit for _, unit in old.every() if unit.is_holder)
    inner = [unit for unit in holders if mine <= {member.name for member in unit.members}]
    return (*old.others, *(part for unit in inner for part in others(unit.parts)))


def _import(part: SourcePart, old: ParsedSource) -> TextSplice | None:
    imports = [other for other in old.others if _is_import(other)]
    if _is_list(part):
        known = _specs(old.others)
        new = [spec for spec in _spec_nodes(part) if spec not in known]
        return _behind(imports, old, "\n".join(f"import {spec}" for spec in new))
    text = text_of(part.node).rstrip("\n")
    bound = {name for other in imports for name in _BOUND.findall(text_of(other.node))}
    mine = set(_BOUND.findall(text)) if part.node.type not in ("preproc_include", "call") else set()
    if mine and mine <= bound:
        return TextSplice(start=0, end=0, text=b"")
    if mine & bound:
        named = _NAMED.match(text)
        if named is None or " as " in named["names"]:
            return None
        new = [name.strip() for name in named["names"].split(",") if name.strip() not in bound]
        new = [name for name in new if name]
        text = f"import {{ {', '.join(new)} }} from {named['source']};"
    return _behind(imports, old, text)


def _constant(part: SourcePart, old: ParsedSource) -> TextSplice | None:
    """A new constant behind the imports, or a longer list of exports in the place of the old one."""
    if exports := _EXPORTS.fullmatch(part.text):
        return _exports(part, set(exports["names"].split(",")), old)
    text = text_of(part.node).rstrip("\n")
    words = set(re.findall(r"\w+", old.data.decode("utf-8", "replace")))
    if part.node.type not in _CONSTANTS or not part.names or part.names & words:
        return None
    return _behind([other for other in old.others if _is_import(other)], old, "\n" + text)


def _exports(part: SourcePart, names: set[str], old: ParsedSource) -> TextSplice | None:
    there = [(other, _EXPORTS.fullmatch(other.text)) for other in old.others]
    lists = [(other, found) for other, found in there if found is not None]
    if len(lists) != 1:
        return None
    other, found = lists[0]
    if not set(found["names"].split(",")) - {""} <= names:
        return None
    node = other.node
    text = text_of(part.node).encode()
    return TextSplice(start=node.start_byte, end=node.end_byte, text=text)


def _behind(imports: Sequence[SourcePart], old: ParsedSource, text: str) -> TextSplice | None:
    """Lines behind the last import, else behind the package, else at the top."""
    first = [other for other in old.others if other.node.type in _FIRST]
    for parts, gap in ((imports, ""), (first, "\n")):
        if parts:
            node = parts[-1].node
            at = node.end_byte - (text_of(node).endswith("\n"))
            return TextSplice(start=at, end=at, text=f"\n{gap}{text}".encode())
    if old.data.startswith(b"#!"):
        return None
    return TextSplice(start=0, end=0, text=f"{text.lstrip()}\n\n".encode())


def _is_import(part: SourcePart) -> bool:
    node = part.node
    is_call = node.type in ("call", "lexical_declaration", "variable_declaration")
    return node.type in _IMPORTS or (is_call and _REQUIRES.search(text_of(node)) is not None)


def _is_list(part: SourcePart) -> bool:
    """True for an import of Go, which may hold several."""
    return part.node.type == "import_declaration" and bool(_spec_nodes(part))


def _specs(parts: Sequence[SourcePart]) -> set[str]:
    return {spec for part in parts if _is_list(part) for spec in _spec_nodes(part)}


def _spec_nodes(part: SourcePart) -> list[str]:
    found = []
    for child in part.node.named_children:
        inner = child.named_children if child.type == "import_spec_list" else [child]
        found += [text_of(spec) for spec in inner if spec.type == "import_spec"]
    return found
