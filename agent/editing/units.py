"""Reads a file as units, definitions with their place in bytes, by tree-sitter; not for Python.

A unit is a function, a method, a class or a type together with what belongs to it: an `export` or
`template` around it, the comments and the attributes directly above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.context.outline import Grammar, grammar_of, syntax_tree

if TYPE_CHECKING:
    from tree_sitter import Node

_THROUGH = frozenset(
    {"preproc_ifdef", "preproc_if", "preproc_else", "linkage_specification", "declaration_list",
     "namespace_definition", "body_statement", "enum_body_declarations"}
)  # fmt: skip
"""Nodes that hold definitions without being one: what is in them counts as if it stood outside."""
_COMMENTS = frozenset({"comment", "line_comment", "block_comment"})
_MARKS = frozenset({"attribute_item", "decorator"})
_NO_HEAD = _COMMENTS | _MARKS | {"modifiers", "visibility_modifier", "accessibility_modifier"}
_FUNCTION_VALUES = frozenset({"arrow_function", "function_expression"})
_DECLARATIONS = frozenset({"lexical_declaration", "variable_declaration"})
_NAMED_BY = ("name", "property", "declarator", "left")
_ANNOTATIONS = frozenset({"annotation", "marker_annotation"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One definition; all places count bytes of the file."""

    name: str
    """With its receiver in Go (`Stack.Push`), its class in C++ (`Stack::push`), `self.` in Ruby."""
    head: str
    """All before the body without white space, comments and modifiers: it tells overloads apart."""
    node: Node
    above: tuple[Node, ...] = ()
    """The comments and attributes that stand directly above and belong to it."""
    outer: int
    """The first byte of the definition with an `export` or `template` around it."""
    inner: int
    """The first byte of the definition itself."""
    end: int
    parts: tuple[SourcePart, ...] = ()
    """The members of a class and the like."""
    is_holder: bool = False
    wrapper: str = ""
    """The type of the node around it; empty if there is none."""

    @property
    def start(self) -> int:
        """The first byte of what stands above and belongs to it."""
        return self.above[0].start_byte if self.above else self.outer

    @property
    def marks(self) -> tuple[Node, ...]:
        """The attributes or decorators above it."""
        return tuple(node for node in self.above if node.type in _MARKS)

    @property
    def comments(self) -> tuple[Node, ...]:
        """The comments above it."""
        return tuple(node for node in self.above if node.type in _COMMENTS)

    @property
    def plain(self) -> str:
        """The name alone."""
        return re.split(r"\.|::", self.name)[-1]

    @property
    def members(self) -> tuple[Unit, ...]:
        return tuple(part.unit for part in self.parts if part.unit is not None)

    @property
    def annotations(self) -> tuple[Node, ...]:
        """Java's annotations, which are a part of the definition."""
        found = next((c for c in self.node.children if c.type == "modifiers"), None)
        return tuple(c for c in found.children if c.type in _ANNOTATIONS) if found else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePart:
    """One child of a file or class: a unit, or anything else, such as an import or a field."""

    node: Node
    unit: Unit | None = None

    @property
    def text(self) -> str:
        """The text without white space, to compare it."""
        return re.sub(r"\s+", "", text_of(self.node)).rstrip(";,")

    @property
    def is_comment(self) -> bool:
        return self.node.type in _COMMENTS

    @property
    def is_mark(self) -> bool:
        return self.node.type in _MARKS

    @property
    def names(self) -> frozenset[str]:
        """The names that a constant, a field or the like defines; empty for a statement."""
        return frozenset(_defined(self.node))


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedSource:
    """A file, or a block of a reply, as its parts."""

    data: bytes
    grammar: Grammar
    root: Node
    parts: tuple[SourcePart, ...] = field(default=())

    @classmethod
    def of(cls, path: str, text: str) -> ParsedSource | None:
        """The parts of a text; None for Python, for a language without a grammar, or a large text."""
        data, grammar = text.encode("utf-8", "replace"), grammar_of(path)
        root = syntax_tree(path, data)
        if grammar is None or root is None or grammar.package == "tree_sitter_python":
            return None
        parts = _parts(root.named_children, grammar, data)
        return cls(data=data, grammar=grammar, root=root, parts=parts)

    @property
    def units(self) -> tuple[Unit, ...]:
        """The definitions outside of classes."""
        return tuple(part.unit for part in self.parts if part.unit is not None)

    @property
    def others(self) -> tuple[SourcePart, ...]:
        """Statements that are neither a definition nor a comment."""
        return others(self.parts)

    def every(self) -> Iterator[tuple[tuple[Unit, ...], Unit]]:
        """All definitions, members included, each behind the classes that it is in."""
        yield from _every(self.units, ())

    @property
    def faults(self) -> int:
        """The number of places that do not parse."""
        return _faults(self.root)


def others(parts: Sequence[SourcePart]) -> tuple[SourcePart, ...]:
    """The parts that are neither a definition, a comment nor an attribute."""
    return tuple(p for p in parts if p.unit is None and not p.is_comment and not p.is_mark)


def text_of(node: Node) -> str:
    """The text of a node."""
    return (node.text or b"").decode("utf-8", "replace")


def fields_of(node: Node) -> frozenset[str]:
    """The names of the fields or variants of a type, at any depth."""
    body = node.child_by_field_name("body") or node.child_by_field_name("type") or node
    return frozenset(name for child in body.children for name in _defined_within(child))


def _every(
    units: Sequence[Unit], holders: tuple[Unit, ...]
) -> Iterator[tuple[tuple[Unit, ...], Unit]]:
    for unit in units:
        yield holders, unit
        yield from _every(unit.members, (*holders, unit))


def _parts(children: Sequence[Node], grammar: Grammar, data: bytes) -> tuple[SourcePart, ...]:
    flat = list(_flat(children))
    return tuple(
        SourcePart(node=node, unit=_unit(node, flat[:at], grammar, data))
        for at, node in enumerate(flat)
    )


def _flat(children: Sequence[Node]) -> Iterator[Node]:
    for child in children:
        if child.type not in _THROUGH:
            yield child
            continue
        skipped = [child.child_by_field_name(name) for name in ("name", "condition", "value")]
        yield from _flat([inner for inner in child.named_children if inner not in skipped])


def _unit(outer: Node, above: Sequence[Node], grammar: Grammar, data: bytes) -> Unit | None:
    inner = _unwrapped(outer)
    value = _function_value(inner)
    body = (value or inner).child_by_field_name("body")
    is_holder = inner.type in grammar.holders
    if inner.type.endswith("_specifier") and body is None:
        return None
    if value is None and inner.type not in grammar.leaves and not is_holder:
        single = [child for child in inner.named_children if child.type == "type_spec"]
        if inner.type != "type_declaration" or len(inner.named_children) != 1 or not single:
            return None
        named = single[0]
    else:
        named = inner.named_children[0] if value is not None else inner
    name = _name(named, grammar)
    if not name:
        return None
    end = re.compile(rb"[ \t]*;?").match(data, outer.end_byte)
    closes = inner.type.endswith("_specifier") and end is not None
    return Unit(
        name=name,
        head=_head(inner, body),
        node=inner,
        above=tuple(_leading(outer, above)),
        outer=outer.start_byte,
        inner=inner.start_byte,
        end=end.end() if closes and end is not None else outer.end_byte,
        parts=_parts(_inside(inner, body), grammar, data) if is_holder and body else (),
        is_holder=is_holder,
        wrapper=outer.type if outer != inner else "",
    )


def _unwrapped(node: Node) -> Node:
    if node.type == "export_statement":
        return node.child_by_field_name("declaration") or node
    if node.type == "template_declaration" and node.named_children:
        return node.named_children[-1]
    return node


def _function_value(node: Node) -> Node | None:
    """The function of `const name = (a) => ...`, which is a definition as well."""
    if node.type not in _DECLARATIONS or len(node.named_children) != 1:
        return None
    value = node.named_children[0].child_by_field_name("value")
    return value if value is not None and value.type in _FUNCTION_VALUES else None


def _inside(node: Node, body: Node) -> list[Node]:
    """The children of a class; in Ruby a comment above the first member stands before the body."""
    if body.type != "body_statement":
        return body.named_children
    comments = [child for child in node.named_children if child.type in _COMMENTS]
    return [*(c for c in comments if c.end_byte <= body.start_byte), *body.named_children]


def _name(node: Node, grammar: Grammar) -> str:
    if node.type == "impl_item":
        body = node.child_by_field_name("body")
        return _head(node, body)
    found = node.child_by_field_name("name") or node.child_by_field_name("declarator")
    while found is not None and (inner := found.child_by_field_name("declarator")) is not None:
        found = inner
    name = re.sub(r"\s+", "", text_of(found)) if found is not None else ""
    if node.type == "singleton_method":
        return f"self.{name}"
    receiver = node.child_by_field_name("receiver")
    if name and receiver is not None and grammar.package == "tree_sitter_go":
        holder = re.search(r"(\w+)\s*(?:\[[^\]]*\])?\s*\)$", text_of(receiver))
        return f"{holder[1]}.{name}" if holder else name
    return name


def _head(node: Node, body: Node | None) -> str:
    said = []
    for child in node.children:
        if body is not None and child.start_byte >= body.start_byte:
            break
        if child.type not in _NO_HEAD:
            said.append(text_of(child))
    return re.sub(r"\s+", "", "".join(said)).rstrip(";")


def _leading(node: Node, above: Sequence[Node]) -> list[Node]:
    """The comments and attributes that end directly above a definition, the first one first."""
    found: list[Node] = []
    row = node.start_point.row
    for at in range(len(above) - 1, -1, -1):
        other = above[at]
        last = other.end_point.row - (other.end_point.column == 0)
        behind = at > 0 and above[at - 1].end_point.row == other.start_point.row
        stands_behind = behind and above[at - 1].end_point.column > 0
        is_comment = other.type in _COMMENTS
        if not (is_comment or other.type in _MARKS) or row - last > 1:
            break
        if is_comment and stands_behind and above[at - 1].type not in _MARKS | _COMMENTS:
            break
        found.insert(0, other)
        row = other.start_point.row
    return found


def _defined(node: Node) -> Iterator[str]:
    """The names that a declaration defines, not those that it uses."""
    for child in [node, *node.named_children]:
        for key in _NAMED_BY:
            for found in child.children_by_field_name(key):
                named = _innermost(found)
                if not named.named_children:
                    yield text_of(named)


def _innermost(node: Node) -> Node:
    """The name within a declarator, at any depth."""
    inner = node.child_by_field_name("declarator") or node.child_by_field_name("name")
    return _innermost(inner) if inner is not None else node


def _defined_within(node: Node) -> Iterator[str]:
    yield from _defined(node)
    for child in node.named_children:
        yield from _defined_within(child)


def _faults(node: Node) -> int:
    if not node.has_error:
        return 0
    own = int(node.is_error or node.is_missing)
    return own + sum(_faults(child) for child in node.children)
