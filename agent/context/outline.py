"""The definitions of a source file with their signatures, by tree-sitter, so in many languages.

Nothing is executed. A language without a grammar, or a file that is too large, has no outline.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

from agent.context.class_fields import fields_of, named_tuple

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MAX_BYTES = 256 * 1024
_SIGNATURE_CAP = 160
_DEEPEST = 12
_WORD = re.compile(r"[A-Za-z_]\w{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The node types of definitions in one language's syntax trees."""

    package: str
    function: str = "language"
    """Name of the language function in the package."""
    leaves: frozenset[str]
    """Node types of functions and the like: their bodies are not searched."""
    holders: frozenset[str]
    """Node types of classes and the like: listed together with their members."""


_C_LEAVES = frozenset({"function_definition", "enum_specifier", "type_definition"})
_SCRIPT_LEAVES = frozenset(
    {"function_declaration", "generator_function_declaration", "method_definition",
     "function_signature", "method_signature", "abstract_method_signature",
     "type_alias_declaration", "enum_declaration"}
)  # fmt: skip
_SCRIPT_HOLDERS = frozenset(
    {"class_declaration", "abstract_class_declaration", "interface_declaration"}
)
_PYTHON = Grammar(
    package="tree_sitter_python",
    leaves=frozenset({"function_definition"}),
    holders=frozenset({"class_definition"}),
)
_JAVASCRIPT = Grammar(
    package="tree_sitter_javascript", leaves=_SCRIPT_LEAVES, holders=_SCRIPT_HOLDERS
)
_TYPESCRIPT = Grammar(
    package="tree_sitter_typescript",
    function="language_typescript",
    leaves=_SCRIPT_LEAVES,
    holders=_SCRIPT_HOLDERS,
)
_TSX = Grammar(
    package="tree_sitter_typescript",
    function="language_tsx",
    leaves=_SCRIPT_LEAVES,
    holders=_SCRIPT_HOLDERS,
)
_C = Grammar(package="tree_sitter_c", leaves=_C_LEAVES, holders=frozenset({"struct_specifier"}))
_CPP = Grammar(
    package="tree_sitter_cpp",
    leaves=_C_LEAVES,
    holders=frozenset({"struct_specifier", "class_specifier", "namespace_definition"}),
)
_GO = Grammar(
    package="tree_sitter_go",
    leaves=frozenset({"function_declaration", "method_declaration", "type_spec"}),
    holders=frozenset(),
)
_RUST = Grammar(
    package="tree_sitter_rust",
    leaves=frozenset(
        {"function_item", "function_signature_item", "struct_item", "enum_item", "type_item",
         "macro_definition"}
    ),
    holders=frozenset({"impl_item", "trait_item", "mod_item"}),
)  # fmt: skip
_JAVA = Grammar(
    package="tree_sitter_java",
    leaves=frozenset({"method_declaration", "constructor_declaration"}),
    holders=frozenset(
        {"class_declaration", "interface_declaration", "enum_declaration", "record_declaration"}
    ),
)
_RUBY = Grammar(
    package="tree_sitter_ruby",
    leaves=frozenset({"method", "singleton_method"}),
    holders=frozenset({"class", "module"}),
)
GRAMMARS: Mapping[str, Grammar] = MappingProxyType(
    {".py": _PYTHON, ".pyi": _PYTHON, ".js": _JAVASCRIPT, ".mjs": _JAVASCRIPT,
     ".cjs": _JAVASCRIPT, ".jsx": _JAVASCRIPT, ".ts": _TYPESCRIPT, ".mts": _TYPESCRIPT,
     ".tsx": _TSX, ".c": _C, ".h": _CPP, ".cc": _CPP, ".cpp": _CPP, ".cxx": _CPP, ".hh": _CPP,
     ".hpp": _CPP, ".go": _GO, ".rs": _RUST, ".java": _JAVA, ".rb": _RUBY}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One function, method, class or type."""

    name: str
    signature: str
    """One line, without the body."""
    depth: int
    """0 at the top of the file, 1 inside a class, ..."""
    fields: tuple[str, ...] = ()
    """The fields of a Python class; those of other languages stand among its members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Definitions of a file in order, and its words with their counts."""

    definitions: tuple[Definition, ...]
    words: Mapping[str, int]


def has_outline(path: str) -> bool:
    """True if the file's ending belongs to a language with a grammar."""
    return grammar_of(path) is not None


def grammar_of(path: str) -> Grammar | None:
    """The grammar of a file's language by the ending of its path; None where there is none."""
    return GRAMMARS.get(PurePosixPath(path).suffix)


def syntax_tree(path: str, data: bytes) -> Node | None:
    """The root of a file's syntax tree; None for a language without a grammar, or above `MAX_BYTES`."""
    grammar = grammar_of(path)
    if grammar is None or len(data) > MAX_BYTES:
        return None
    return _parser(grammar.package, grammar.function).parse(data).root_node


def outline(path: str, text: str) -> Outline | None:
    """The outline of a file; None for a language without a grammar, or a file of `MAX_BYTES`."""
    grammar = grammar_of(path)
    data = text.encode("utf-8", "replace")
    root = syntax_tree(path, data)
    if grammar is None or root is None:
        return None
    words: dict[str, int] = {}
    for word in _WORD.findall(text):
        words[word] = words.get(word, 0) + 1
    return Outline(definitions=tuple(_definitions(root, grammar, data, 0)), words=words)


def broken_line(path: str, text: str) -> int:
    """The first line that does not parse, from 1; 0 if all lines parse or the language is unknown."""
    node = syntax_tree(path, text.encode("utf-8", "replace"))
    if node is None or not node.has_error:
        return 0
    while inner := next((child for child in node.children if child.has_error), None):
        node = inner
    return node.start_point.row + 1


@cache
def _parser(package: str, function: str) -> Parser:
    from tree_sitter import Language, Parser

    language = getattr(importlib.import_module(package), function)
    return Parser(Language(language()))


def _definitions(
    node: Node, grammar: Grammar, data: bytes, depth: int, level: int = 0
) -> Iterator[Definition]:
    if level > _DEEPEST:
        return
    for child in node.named_children:
        is_leaf, is_holder = child.type in grammar.leaves, child.type in grammar.holders
        if is_leaf or is_holder:
            name = _name(child)
            body = child.child_by_field_name("body")
            if not name or (child.type.endswith("_specifier") and body is None):
                continue
            fields = fields_of(body) if child.type == "class_definition" and body else ()
            signature = _signature(child, body, data)
            yield Definition(name=name, signature=signature, depth=depth, fields=fields)
            if is_holder and body is not None:
                yield from _definitions(body, grammar, data, depth + 1, level + 1)
        elif child.type == "variable_declarator" or named_tuple(child):
            yield from _assigned(child, data, depth)
        elif not child.type.endswith(("string", "comment", "argument_list", "arguments")):
            yield from _definitions(child, grammar, data, depth, level + 1)


def _assigned(node: Node, data: bytes, depth: int) -> Iterator[Definition]:
    """A named tuple, or `const name = (a, b) => ...`, the usual way to define a function in JavaScript."""
    if tuple_name := named_tuple(node):
        yield Definition(name=tuple_name, signature=_signature(node, None, data), depth=depth)
    name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
    if name is None or value is None:
        return
    if value.type in ("arrow_function", "function_expression"):
        body = value.child_by_field_name("body")
        signature = _signature(node, body, data).removesuffix("=>").rstrip()
        yield Definition(name=_text(name), signature=f"const {signature}", depth=depth)


def _name(node: Node) -> str:
    for field in ("name", "declarator", "type"):
        found = node.child_by_field_name(field)
        while found is not None and (inner := found.child_by_field_name("declarator")) is not None:
            found = inner
        if found is not None:
            words = _WORD.findall(_text(found)) or re.findall(r"\w+", _text(found))
            return words[-1] if field != "type" and words else (words[0] if words else "")
    return ""


def _signature(node: Node, body: Node | None, data: bytes) -> str:
    end = body.start_byte if body is not None else node.end_byte
    text = data[node.start_byte : end].decode("utf-8", "replace").strip()
    if body is None:
        text = text.partition("\n")[0]
    line = " ".join(text.split()).rstrip(" {:;")
    return line if len(line) <= _SIGNATURE_CAP else f"{line[:_SIGNATURE_CAP]} [...]"


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
