"""Runs inside the box: reads in a library's documentation what could take the place of something missing.

Each finding has the successor's name, the grounds for it (`why`) and the first sentence about it.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # the programs lie side by side in the box
resolved = importlib.import_module("introspect").resolved

_DOC = 160
_SHORTEST_WORD = 4
_FIRST_WORDS = 3
_SAID = re.compile(r"[`'\"]*\w+[`'\"]*|[.,;:()]")
_BEHIND_A_NOUN = frozenset(
    (*".,;:()", "of", "to", "for", "that", "which", "with", "by", "from", "used")
)

Answer = dict[str, Any]


def parameter_texts(target: Any, parameters: list[str]) -> dict[str, str]:  # noqa: ANN401
    """The description of each parameter, without its type, in a documentation in NumPy's or Google's style."""
    texts: dict[str, str] = {}
    name = ""
    for line in (inspect.getdoc(target) or "").splitlines():
        text = line
        if found := re.match(r"(\w+) ?(?::|$)", line):
            name, text = found[1], ""
        elif (found := re.match(r"\s+(\w+)(?: \(.*\))?:", line)) and found[1] in parameters:
            name, text = found[1], line[found.end() :]
        texts[name] = f"{texts.get(name, '')} {text.strip()}".strip()
    return {each: texts[each] for each in parameters if each in texts}


def described(target: Any, name: str, docs: dict[str, str], given: str) -> list[Answer]:  # noqa: ANN401
    """The one optional parameter that is a missing keyword by the first words of its description.

    Of a keyword that was given a list else the one that is described as a `list of` it, with such values in
    the documented calls.
    """
    optional = _optional(target, given)
    found = [each for each in optional if _is_one(name, docs.get(each, ""), each)]
    if len(found) != 1 and given.startswith("list"):
        listed = re.compile(rf"(?i)\blist of [^.;]*\b{re.escape(name.removesuffix('s'))}s?\b")
        shown = _shown_types(target)
        found = [
            e for e in optional if listed.search(docs.get(e, "")) and given in shown.get(e, ())
        ]
    one = found[0] if len(found) == 1 and len(name) >= _SHORTEST_WORD else ""
    return [{"name": one, "why": "described", "about": first_sentence(docs[one])}] if one else []


def _optional(target: Any, given: str) -> list[str]:  # noqa: ANN401
    """Parameters with a default that a value of the given type may take the place of."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return []
    return [each.name for each in parameters if _takes(each.default, given)]


def _takes(default: object, given: str) -> bool:
    if default is inspect.Parameter.empty:
        return False
    kind = type(default).__name__
    numbers = {"int", "float"}
    return (
        not given
        or kind not in {"bool", "str", *numbers}
        or kind == given
        or {kind, given} == numbers
    )


def _is_one(keyword: str, description: str, parameter: str) -> bool:
    """True if a description begins with the keyword as a noun: `Fraction of rows`, `A regex pattern`.

    `One or more to include` and `Overwrite the values` are about something else.
    """
    said = [word.lower() for word in _SAID.findall(first_sentence(description))]
    if keyword.lower() not in said[:_FIRST_WORDS]:
        return False
    following = [*said[said.index(keyword.lower()) + 1 :], "."][0]
    return following in _BEHIND_A_NOUN or following in parameter.lower().split("_")


def _shown_types(target: Any) -> dict[str, set[str]]:  # noqa: ANN401
    """The types of the plain values that documented calls give to each keyword."""
    types: dict[str, set[str]] = {}
    for tree in _examples(inspect.getdoc(target) or ""):
        for call in _calls(tree, getattr(target, "__name__", "")):
            for keyword in call.keywords:
                if keyword.arg and (typed := _type_of(keyword.value)):
                    types.setdefault(keyword.arg, set()).add(typed)
    return types


def _examples(text: str) -> Iterator[ast.Module]:
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:
        return
    for example in examples:
        try:
            yield ast.parse(example.source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue


def _called(call: ast.Call) -> str:
    return getattr(call.func, "attr", "") or getattr(call.func, "id", "")


def _type_of(value: ast.expr) -> str:
    """The type of a text, a number, or a list of one kind, as it would be written; empty for others."""
    try:
        found = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return ""
    if isinstance(found, list):
        inner = {type(each).__name__ for each in found}
        return f"list[{inner.pop()}]" if len(inner) == 1 else ""
    return type(found).__name__ if isinstance(found, bool | int | float | str) else ""


def asked_for(dotted: str, request: str) -> Iterator[Answer]:
    """Functions beside one, named as it and more, whose whole name the request says in words."""
    parent, _, function = dotted.rpartition(".")
    place, said = resolved(parent) if parent else None, f" {' '.join(_words(request))} "
    for each in dir(place) if place is not None and function.count("_") else ():
        longer = f"_{function}" in each or f"{function}_" in each
        if longer and not each.startswith("_") and f" {' '.join(_words(each))} " in said:
            yield {"name": each, "why": "asked", "about": about_of(place, each)}


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def captioned(module: Any, top: str, holder: Any, name: str) -> Iterator[Answer]:  # noqa: ANN401
    """Functions of the library with an example that is headed by the missing name and the class's.

    `Append a row to a ``DataFrame``.` above a call of `concat` says what does now what `append` did.
    """
    caption = re.compile(rf"(?i){re.escape(name)}\b.*`{re.escape(holder.__name__)}`")
    for each in dir(module):
        documentation = "" if each.startswith("_") else documentation_of(module, each)
        if not callable(getattr(module, each, None)):
            continue
        for shown in _under(caption, documentation):
            calls = [call for tree in _examples(shown) for call in _calls(tree, each)]
            if calls:
                joins = any(call.args and isinstance(call.args[0], ast.List) for call in calls)
                about = about_of(module, each)
                yield {"name": f"{top}.{each}", "why": "caption", "about": about, "joins": joins}
                break


def _calls(tree: ast.Module, name: str) -> list[ast.Call]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _called(n) == name]


def _under(caption: re.Pattern[str], documentation: str) -> Iterator[str]:
    """The examples that follow a paragraph which begins with a caption, up to the next paragraph of words."""
    parts = re.split(r"\n\s*\n|\n\s*-{3,}\s*\n", documentation)
    for place, part in enumerate(parts):
        if not caption.match(part.strip().replace("\n", " ")):
            continue
        shown = itertools.takewhile(lambda each: each.strip().startswith(">>>"), parts[place + 1 :])
        yield "\n\n".join(shown)


def documentation_of(holder: Any, name: str) -> str:  # noqa: ANN401
    """The documentation of an attribute; empty without one."""
    try:
        return inspect.getdoc(getattr(holder, name)) or ""
    except Exception:  # noqa: BLE001 - a library's attribute may raise anything
        return ""


def about_of(holder: Any, name: str) -> str:  # noqa: ANN401
    """The first sentence of an attribute's documentation."""
    return first_sentence(documentation_of(holder, name))


def first_sentence(text: str) -> str:
    """The first sentence of a text, cut off where it is long."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s", paragraph)[0][:_DOC]
