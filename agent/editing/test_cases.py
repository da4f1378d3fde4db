"""Puts test functions into a class of unittest, where a project's tests are such classes: its runner finds no others."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Collection
from typing import TypeGuard

from agent.editing.byte_places import BytePlaces
from agent.editing.heads import with_imports
from agent.editing.python_source import bound_names, parse_python, source_of
from agent.editing.splicing import TextSplice, spliced


def base_of_tests(text: str) -> str:
    """The base class of a file's classes of unittest, as it is written there; empty where tests are functions, too."""
    tree = parse_python(text)
    if tree is None or any(map(_is_test, tree.body)):
        return ""
    bases = (
        ast.unparse(base)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    )
    return next((base for base in bases if base.endswith("TestCase")), "")


def as_methods(text: str, before: str, base: str) -> str:
    """The file with the test functions that it did not have before as methods of a new class.

    `base` is the base class in the file's own words. Functions with arguments or decorators, which only pytest
    understands, leave the file as it is.
    """
    tree, old = parse_python(text), parse_python(before)
    known = {node.name for node in old.body if _is_test(node)} if old is not None else set[str]()
    found = [node for node in tree.body if _is_test(node)] if tree is not None else []
    new = [node for node in found if node.name not in known]
    names = {node.name for node in new}
    read = (
        {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} if tree else set[str]()
    )
    if tree is None or not new or not all(map(_is_plain, new)) or names & read:
        return text
    has_base = base.partition(".")[0] in bound_names(text)
    if not has_base and base != "unittest.TestCase":
        return text
    place = BytePlaces(text)
    name = _class_name(new[0].name, bound_names(text))
    body = "\n\n".join(_method(text, node) for node in new)
    start, _ = place.of(new[0])
    splices = [
        TextSplice(start=begin, end=end, text=b"")
        for begin, end in (_lines(node, place) for node in new)
    ]
    made = f"class {name}({base}):\n{body}\n\n\n"
    splices.append(TextSplice(start=start, end=start, text=made.encode()))
    try:
        splices += [] if has_base else [with_imports(tree, place, ["import unittest"])]
        after = spliced(place.data, splices).rstrip("\n") + "\n"
        compile(after, "tests", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return text
    return after


def _is_test(node: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef) and node.name.startswith("test")


def _is_plain(node: ast.FunctionDef) -> bool:
    """True for a function without arguments and decorators, and without a text of several lines."""
    texts = (each for each in ast.walk(node) if isinstance(each, ast.Constant | ast.JoinedStr))
    several = any(each.end_lineno != each.lineno for each in texts)
    return not (node.decorator_list or ast.unparse(node.args) or several)


def _method(text: str, node: ast.FunctionDef) -> str:
    source = source_of(text, node).rstrip("\n")
    return textwrap.indent(re.sub(r"\(\s*\)", "(self)", source, count=1), "    ")


def _lines(node: ast.FunctionDef, place: BytePlaces) -> tuple[int, int]:
    """The lines of a function with the blank ones behind it."""
    end = place.offset((node.end_lineno or node.lineno) + 1, 0)
    while place.data[end : end + 1] == b"\n":
        end += 1
    return place.offset(node.lineno, 0), end


def _class_name(test: str, taken: Collection[str]) -> str:
    """A name after the first words of a test's, which the file does not have."""
    words = [word for word in test.removeprefix("test").split("_") if word][:2]
    stem = "".join(word.capitalize() for word in words) or "New"
    names = (f"{stem}Test{number or ''}" for number in range(1000))
    return next(name for name in names if name not in taken)
