"""Runs inside the box, in isolated mode and without the project's files: asks what is installed.

Reads questions as JSON from standard input and writes one line, the nonce and the answers, to the
standard output that it began with; whatever a library prints while it is imported goes elsewhere.
Only the standard library is used, and only what a question names is imported.
"""

from __future__ import annotations

import builtins
import difflib
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import os
import pkgutil
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

_NEAREST = 3
_ALIKE = 0.65
_SHORTEST_PART = 3
_MOST_DEFAULT = 24
_PLAIN = (bool, int, float, str, bytes, tuple, type(None))
_MOST_PARAMETERS = 12
_DOC_CHARACTERS = 140
_MOST_CLASSES = 4_000
_MOST_NAMES = 1_500
_USUAL_ALIASES = {"np": "numpy", "pd": "pandas", "pl": "polars", "plt": "matplotlib.pyplot"}
_USUAL_MODULES = (
    *("collections", "typing", "dataclasses", "datetime", "functools", "itertools", "math"),
    *("pathlib", "re", "json", "os", "sys", "decimal", "fractions", "random", "statistics"),
    *("string", "enum", "contextlib", "abc", "operator", "time", "copy", "textwrap", "bisect"),
    *("heapq", "csv", "io", "types", "uuid", "hashlib", "collections.abc"),
)

Answer = dict[str, Any]


def main() -> None:
    """Answer every question; one that cannot be answered is left out."""
    out = os.dup(1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    orders = json.load(sys.stdin)
    answers = []
    for question in orders["questions"]:
        try:
            answer = _ANSWERS[question["kind"]](question)
        except Exception:  # noqa: BLE001, S112 - a library may raise anything when it is looked at
            continue
        if answer is not None:
            answers.append(answer)
    line = f"{orders['nonce']} {json.dumps(answers)}\n"
    with os.fdopen(out, "w", encoding="utf-8") as stream:
        stream.write(line)


def _attribute(question: Answer) -> Answer | None:
    """An attribute that a module, or something in one, does not have."""
    dotted, name = str(question["object"]), str(question["name"])
    holder = resolved(dotted)
    if holder is None or hasattr(holder, name):
        return None
    near = _described(holder, _nearest(name, dir(holder)))
    if inspect.ismodule(holder):
        near += _elsewhere(holder, name)
    return {**_answer("attribute", dotted, dotted, name, near), "names": _public(dir(holder))}


def _class_attribute(question: Answer) -> Answer | None:
    """An attribute that the instances of a class do not have; the class is known by its name."""
    name = str(question["name"])
    for dotted, holder in classes(str(question["class"]), question["modules"]):
        if not hasattr(holder, name):
            near = _described(holder, _nearest(name, dir(holder)))
            answer = _answer("attribute", dotted, dotted, name, near)
            return {**answer, "instance": True, "names": _public(dir(holder))}
    return None


def _call(question: Answer) -> Answer | None:
    """The real signature of something that was called wrongly."""
    function = str(question["function"]).removesuffix(".__init__")
    for dotted, target in callables(function, question):
        described = _description(dotted.rpartition(".")[2], target)
        if not described["signature"]:
            continue
        keyword = str(question.get("keyword", ""))
        parameters = _parameter_names(target)
        if keyword and keyword in parameters:
            continue
        answer = _answer("call", dotted, dotted, keyword, [described])
        answer["parameters"] = _nearest(keyword, parameters)[:1] if keyword else []
        answer["names"] = _public(name for name in parameters if name not in ("self", "cls"))
        answer["kinds"] = _default_kinds(target)
        return answer
    return None


def _module(question: Answer) -> Answer | None:
    """A module that cannot be found: what is installed with a name like it."""
    dotted = str(question["name"])
    parent, _, name = dotted.rpartition(".")
    holder = resolved(parent) if parent else None
    if parent and holder is None:
        return _module({"name": parent})
    if holder is not None:
        names = [item.name for item in pkgutil.iter_modules(getattr(holder, "__path__", []))]
    else:
        names = [item.name for item in pkgutil.iter_modules()] + list(sys.stdlib_module_names)
    if name in names:
        return None
    near: list[Answer] = [
        {"name": item, "signature": "", "doc": ""} for item in _nearest(name, names)
    ]
    return _answer("module", parent or "python", dotted, name, near)


def _name(question: Answer) -> Answer | None:
    """A name that is used and not defined: where it could be imported from."""
    name = str(question["name"])
    found = []
    usual = _USUAL_ALIASES.get(name, name)
    if _exists(usual):
        statement = f"import {usual} as {name}" if usual != name else f"import {name}"
        found.append({"name": statement, "signature": "", "doc": ""})
    for dotted in [*question["modules"], *_USUAL_MODULES]:
        module = None if found else resolved(str(dotted))
        if module is not None and name in vars(module) and not name.startswith("_"):
            described = _description(name, getattr(module, name))
            found.append({**described, "name": f"from {dotted} import {name}"})
    return _answer("name", "python", name, name, found[:1]) if found else None


_ANSWERS = {
    "attribute": _attribute,
    "class_attribute": _class_attribute,
    "call": _call,
    "module": _module,
    "name": _name,
}


def _answer(kind: str, where: str, subject: str, missing: str, near: list[Answer]) -> Answer:
    top = where.partition(".")[0]
    return {
        "kind": kind,
        "library": "Python" if _is_python(top) else top,
        "version": version(top),
        "subject": subject,
        "missing": missing,
        "near": near[:_NEAREST],
    }


def _is_python(top: str) -> bool:
    return top == "python" or top in sys.stdlib_module_names or hasattr(builtins, top)


def version(top: str) -> str:
    if _is_python(top):
        return "{}.{}".format(*sys.version_info[:2])
    said = getattr(sys.modules.get(top), "__version__", None)
    if isinstance(said, str):
        return said
    try:
        return importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:
        return ""


def resolved(dotted: str) -> Any:  # noqa: ANN401
    """Resolve a dotted name: the longest module in it, then its attributes; None if nothing."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found
    return None


def _exists(dotted: str) -> bool:
    try:
        return importlib.util.find_spec(dotted) is not None
    except (ImportError, ValueError):
        return False


def classes(name: str, modules: Iterable[object]) -> Iterator[tuple[str, type]]:
    """Classes with a name, in the modules that were imported, and then anywhere below them."""
    if isinstance(found := getattr(builtins, name, None), type):
        yield name, found
    tops = [str(module) for module in modules]
    for dotted in tops:
        if isinstance(found := getattr(resolved(dotted), name, None), type):
            yield f"{dotted}.{name}", found
    below = tuple(f"{dotted.partition('.')[0]}." for dotted in tops)
    for dotted, module in list(sys.modules.items())[:_MOST_CLASSES]:
        if dotted.startswith(below) and isinstance(found := vars(module).get(name), type):
            yield f"{found.__module__}.{name}", found


def callables(function: str, question: Answer) -> Iterator[tuple[str, Any]]:
    for dotted in question["candidates"]:
        if callable(found := resolved(str(dotted))):
            yield str(dotted), found
    owner, _, name = function.rpartition(".")
    if owner:
        for dotted, holder in classes(owner.rpartition(".")[2], question["modules"]):
            if callable(found := getattr(holder, name, None)):
                yield f"{dotted}.{name}", found
        return
    for module in question["modules"]:
        if callable(found := resolved(f"{module}.{function}")):
            yield f"{module}.{function}", found
    yield from classes(function, question["modules"])


def _nearest(name: str, names: Iterable[str]) -> list[str]:
    """Existing public names by how much they are like `name`, the most alike first."""
    public = [
        item for item in dict.fromkeys(names) if not item.startswith("_") or name.startswith("_")
    ]
    wanted = _plain(name)

    def likeness(item: str) -> float:
        plain = _plain(item)
        if plain == wanted:
            return 2.0
        ratio = difflib.SequenceMatcher(None, wanted, plain).ratio()
        short, long = sorted((wanted, plain), key=len)
        contained = len(short) >= _SHORTEST_PART and short in long
        return ratio + (0.3 * len(short) / len(long) if contained else 0.0)

    ranked = sorted(((likeness(item), item) for item in public), reverse=True)
    return [item for score, item in ranked[:_NEAREST] if score >= _ALIKE]


def _public(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith("_")][:_MOST_NAMES]


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()


def _elsewhere(module: Any, name: str) -> list[Answer]:  # noqa: ANN401
    """The same name in the module's submodules: things are moved more often than removed."""
    prefix = f"{module.__name__}."
    for dotted, other in list(sys.modules.items()):
        if dotted.startswith(prefix) and "._" not in dotted and name in vars(other):
            described = _description(name, vars(other)[name])
            return [{**described, "name": f"{dotted}.{name}"}]
    return []


def _described(holder: Any, names: Iterable[str]) -> list[Answer]:  # noqa: ANN401
    return [_description(name, getattr(holder, name)) for name in names if hasattr(holder, name)]


def _description(name: str, target: Any) -> Answer:  # noqa: ANN401
    doc = inspect.getdoc(target) if callable(target) or inspect.ismodule(target) else ""
    lines = [" ".join(line.split()) for line in (doc or "").splitlines() if line.strip()]
    return {
        "name": name,
        "signature": _signature(target) if callable(target) else "",
        "doc": lines[0][:_DOC_CHARACTERS] if lines else "",
    }


def _signature(target: Any) -> str:  # noqa: ANN401
    """The parameters as a call that could be copied: small models do copy it.

    So without types, without marks that no call has, and without what takes any further keyword.
    """
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return ""
    shown = [
        item
        for item in parameters
        if item.name not in ("self", "cls") and item.kind is not item.VAR_KEYWORD
    ]
    return f"({', '.join(map(_parameter, shown[:_MOST_PARAMETERS]))})"


def _parameter(item: inspect.Parameter) -> str:
    if item.kind is item.VAR_POSITIONAL:
        return f"*{item.name}"
    if item.default is item.empty:
        return f"{item.name}=..." if item.kind is item.KEYWORD_ONLY else item.name
    default = repr(item.default)
    plain = isinstance(item.default, _PLAIN) and len(default) <= _MOST_DEFAULT
    return f"{item.name}={default if plain else '...'}"


def _parameter_names(target: Any) -> list[str]:  # noqa: ANN401
    try:
        return list(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        return []


def _default_kinds(target: Any) -> dict[str, str]:  # noqa: ANN401
    """The types of defaults that are plain values, by parameter; None says nothing of its type."""
    defaults = {item.name: item.default for item in inspect.signature(target).parameters.values()}
    return {
        name: type(default).__name__
        for name, default in defaults.items()
        if isinstance(default, (bool, int, float, str))
    }


if __name__ == "__main__":
    main()
