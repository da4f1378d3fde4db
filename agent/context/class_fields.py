"""The fields that the objects of a Python class have, read from its syntax tree: a small model invents them otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

_TUPLES = frozenset({"namedtuple", "NamedTuple"})
_STATEMENTS = frozenset(
    {"block", "else_clause", "elif_clause", "except_clause", "expression_statement", "finally_clause",
     "for_statement", "if_statement", "try_statement", "while_statement", "with_statement"}
)  # fmt: skip
"""Types of syntax nodes that may stand around an assignment; no expression is entered, and no function inside another one."""


def fields_of(body: Node) -> tuple[str, ...]:
    """The names that the body of a class assigns or annotates, and those that `__init__` gives to `self`."""
    names: dict[str, None] = {}
    for child in body.named_children:
        if child.type == "expression_statement":
            names.update(dict.fromkeys(_assigned(child)))
        elif child.type == "function_definition" and _field_text(child, "name") == "__init__":
            names.update(dict.fromkeys(_given_to_self(child)))
    return tuple(names)


def named_tuple(node: Node) -> str:
    """The name of the type that a statement such as `Entry = namedtuple("Entry", "host time")` makes, else empty."""
    target, value = node.child_by_field_name("left"), node.child_by_field_name("right")
    if target is None or value is None or target.type != "identifier" or value.type != "call":
        return ""
    function = _field_text(value, "function").rpartition(".")[2]
    return _text(target) if function in _TUPLES else ""


def _assigned(statement: Node) -> Iterator[str]:
    for each in statement.named_children:
        target = each.child_by_field_name("left") if each.type == "assignment" else None
        if target is not None and target.type == "identifier" and _text(target)[:2] != "__":
            yield _text(target)


def _given_to_self(function: Node) -> Iterator[str]:
    """The attributes of `self` that a function assigns, in order."""
    body = function.child_by_field_name("body")
    waiting = [body] if body is not None else []
    while waiting:
        node = waiting.pop()
        if node.type == "assignment":
            yield from _of_self(node.child_by_field_name("left"))
        elif node.type in _STATEMENTS:
            waiting += reversed(node.named_children)


def _of_self(target: Node | None) -> Iterator[str]:
    if target is None:
        return
    several = target.type in ("pattern_list", "tuple_pattern")
    for each in target.named_children if several else [target]:
        if each.type == "attribute" and _field_text(each, "object") == "self":
            yield _field_text(each, "attribute")


def _field_text(node: Node, field: str) -> str:
    child = node.child_by_field_name(field)
    return _text(child) if child is not None else ""


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
