"""Turns a Python error into questions about the installed libraries, from its text alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent.advice.failure import FailureContext
from agent.editing.python_source import definitions, imports, parse_python

Question = Mapping[str, Any]
"""JSON data for `introspect.py`: its `kind`, and what that kind needs."""

_MOST_QUESTIONS = 4
_MOST_MODULES = 12
_MODULE_ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")
_CLASS_ATTRIBUTE = re.compile(r"(?:type object )?'([\w.]+)'(?: object)? has no attribute '(\w+)'")
_IMPORTED_NAME = re.compile(
    r"cannot import name '(\w+)' from (?:partially initialized module )?'([\w.]+)'"
)
_NO_MODULE = re.compile(r"No module named '([\w.]+)'")
_UNDEFINED = re.compile(r"name '(\w+)' is not defined")
_BAD_KEYWORD = re.compile(
    r"(?:([\w.]+)\(\) )?got an unexpected keyword argument '(\w+)'"
    r"|'(\w+)' is an invalid keyword argument for ([\w.]+)\(\)"
)
_BAD_CALL = re.compile(r"([\w.]+)\(\) (?:takes|missing|got (?:multiple|some positional))")
_QUOTED_NAME = re.compile(
    r"[`'\"]{1,2}([A-Za-z_][\w.]{2,80})(?:\(\))?[`'\"]{1,2}|\b([A-Za-z_]\w+(?:\.\w+)+)\b"
)


def python_questions(failure: FailureContext) -> tuple[Question, ...]:
    """Questions about a failure; empty if it concerns only the project's own code."""
    return tuple(_questions(failure))[:_MOST_QUESTIONS]


def _questions(failure: FailureContext) -> Iterator[Question]:
    modules = library_modules(failure)
    yield from _about_missing(failure, modules)
    if failure.exception.endswith("Warning"):
        yield from _about_mentioned(failure, modules)
    yield from _about_call(failure, modules)


def _about_missing(failure: FailureContext, modules: list[str]) -> Iterator[Question]:
    message = failure.message
    if match := _MODULE_ATTRIBUTE.search(message):
        yield from _about_attribute(match[1], match[2], failure)
    elif match := _IMPORTED_NAME.search(message):
        yield from _about_attribute(match[2], match[1], failure)
    elif match := _NO_MODULE.search(message):
        if match[1].partition(".")[0] not in failure.project_modules:
            yield {"kind": "module", "name": match[1]}
    elif match := _UNDEFINED.search(message):
        yield {"kind": "name", "name": match[1], "modules": modules}
    elif match := _CLASS_ATTRIBUTE.search(message):
        name = match[1].rpartition(".")[2]
        if name not in _defined(failure.texts):
            yield {"kind": "class_attribute", "class": name, "name": match[2], "modules": modules}


def library_modules(failure: FailureContext) -> list[str]:
    """Modules that the failing code imports and that are not the project's own."""
    found: dict[str, None] = {}
    for text in failure.texts:
        for item in imports(text):
            top = item.module.partition(".")[0]
            if top and top != "__future__" and top not in failure.project_modules:
                found[item.module] = None
                found[top] = None
    return list(found)[:_MOST_MODULES]


def _about_attribute(dotted: str, name: str, failure: FailureContext) -> Iterator[Question]:
    if dotted.partition(".")[0] not in failure.project_modules:
        yield {"kind": "attribute", "object": dotted, "name": name}


def _about_mentioned(failure: FailureContext, modules: list[str]) -> Iterator[Question]:
    """Questions for the signatures of the successors that a deprecation names."""
    for match in _QUOTED_NAME.finditer(failure.message):
        dotted = match[1] or match[2]
        yield {
            "kind": "call",
            "function": dotted,
            "candidates": [dotted, *_called_names(dotted.rpartition(".")[2], failure.texts)],
            "modules": modules,
        }


def _about_call(failure: FailureContext, modules: list[str]) -> Iterator[Question]:
    keyword = ""
    if match := _BAD_KEYWORD.search(failure.message):
        function = match[1] or match[4] or ""
        keyword = match[2] or match[3]
    elif match := _BAD_CALL.search(failure.message):
        function = match[1]
    else:
        return
    name = function.removesuffix(".__init__").rpartition(".")[2]
    if not name or name in _defined(failure.texts) or not modules:
        return
    yield {
        "kind": "call",
        "function": function,
        "candidates": _called_names(name, failure.texts),
        "modules": modules,
        "keyword": keyword,
    }


def _defined(texts: Iterable[str]) -> frozenset[str]:
    """Plain names of everything that the texts define: questions about those need no library."""
    return frozenset(name.rpartition(".")[2] for text in texts for name in definitions(text))


def _called_names(name: str, texts: Iterable[str]) -> list[str]:
    """Full dotted names of the functions that are called by this plain name."""
    found: dict[str, None] = {}
    for text in texts:
        aliases = {
            item.alias: f"{item.module}.{item.name}".rstrip(".")
            for item in imports(text)
            if not item.module.startswith(".")
        }
        tree = parse_python(text)
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Call) and (dotted := _dotted(node.func)):
                head, _, rest = dotted.partition(".")
                if dotted.rpartition(".")[2] == name and head in aliases:
                    found[f"{aliases[head]}.{rest}".rstrip(".")] = None
    return list(found)


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            head = _dotted(value)
            return f"{head}.{attr}" if head else ""
        case _:
            return ""
