"""Explains one setting: value, origin, bounds, and its meaning, which stands below its field in the schema."""

from __future__ import annotations

import ast
import inspect
import typing

from agent.settings.load import Loaded, declared, present_name, shown


def explain(loaded: Loaded, key: str) -> list[str]:
    """A setting with its value, origin, default, bounds and meaning, a line each.

    Raises:
        ConfigError: If there is none of this name, with the nearest one.
    """
    name = present_name(key)
    known = declared(name, "the command line")
    section, last = name.split(".")
    value = getattr(getattr(loaded.settings, section), last)
    text = "(set)" if known.rule.secret and value else shown(value)
    lines = [
        f"{name} = {text}",
        f"from: {loaded.origins[name]}",
        f"default: {shown(known.default)}",
    ]
    if (choices := typing.get_args(known.type)) and typing.get_origin(known.type) is typing.Literal:
        lines.append(f"one of: {', '.join(choices)}")
    low, high = known.rule.low, known.rule.high
    bounds = [f"at least {low:g}"] if low is not None else []
    bounds += [f"at most {high:g}"] if high is not None else []
    if bounds:
        lines.append(f"a number: {', '.join(bounds)}")
    return [
        *lines,
        f"a project's file may: {known.rule.project.value}",
        _meaning(type(getattr(loaded.settings, section)), last),
    ]


def attribute_docs(kind: type) -> dict[str, str]:
    """The texts below the fields of a class, by field, each in one line."""
    (body,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - the source of a class
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def _meaning(section: type, name: str) -> str:
    return attribute_docs(section).get(name, "")
