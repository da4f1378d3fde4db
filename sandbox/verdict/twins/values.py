"""Another value of the same type: in a test's text where it is written out, else as it runs."""

from __future__ import annotations

import ast
import random

_NOTHING = "object()"
_UNWRITTEN = object()


def other_literal(node: ast.expr, draw: random.Random) -> str:
    """Return source of another value of the type that is written out here; empty if none is."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ""
    changed = _other(value, draw)
    return _NOTHING if changed is _UNWRITTEN else repr(changed)


def helper(name: str) -> str:
    """Return source of a function that gives another value of its argument's type."""
    return f"""

def {name}(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float, complex)):
        return value + 1 + abs(value)
    try:
        if isinstance(value, str):
            return value + "_"
        if isinstance(value, (bytes, bytearray)):
            return value + b"_"
        if isinstance(value, (list, tuple)):
            return type(value)([*value, {name}(value[-1]) if value else None])
        if isinstance(value, (set, frozenset)):
            return type(value)([*value, object()])
        if isinstance(value, dict):
            return {{**value, "_": None}}
        return value + 1
    except Exception:
        return object()
"""


def _other(value: object, draw: random.Random) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + draw.randint(1, 3)
    if isinstance(value, float | complex):
        return value + 1 + abs(value)
    if isinstance(value, str):
        return f"{value}_"
    if isinstance(value, bytes):
        return value + b"_"
    return _other_container(value, draw)


def _other_container(value: object, draw: random.Random) -> object:
    if isinstance(value, list):
        return [*value, _more(value[-1] if value else None, draw)]
    if isinstance(value, tuple):
        return (*value, _more(value[-1] if value else None, draw))
    if isinstance(value, set):
        return {*value, f"_{draw.randrange(10**6)}"}
    if isinstance(value, dict):
        return {**value, f"_{draw.randrange(10**6)}": None}
    return _UNWRITTEN


def _more(last: object, draw: random.Random) -> object:
    changed = _other(last, draw)
    return None if changed is _UNWRITTEN else changed
