"""Compares and shows answers of untrusted code as the JSON trees they came in.

Nothing here turns a tree into the set or dictionary it stands for: keys that were chosen to
collide would make that take hours. The trees are those of `sandbox.warm.inside.codec`.
"""

from __future__ import annotations

import json
import math
from typing import Any

_SHOWN = 200
_MAX_DEPTH = 200
_UNORDERED = ("set", "frozenset")


def same(got: object, expected: object, *, tolerance: float = 0.0) -> bool:
    """Whether two trees stand for values of the same types that are equal.

    Sets and dictionaries compare without order. Floats may differ by the tolerance, absolutely or
    relatively, except as keys and in sets; NaN is the same as NaN.
    """
    try:
        return _same(got, expected, tolerance, _MAX_DEPTH)
    except RecursionError:  # a tree that our own encoder does not make
        return False


def _same(got: object, expected: object, tolerance: float, depth: int) -> bool:
    if depth == 0 or type(got) is not type(expected):
        return False
    if isinstance(got, list) and isinstance(expected, list):
        pairs = zip(got, expected, strict=False)
        return len(got) == len(expected) and all(
            _same(left, right, tolerance, depth - 1) for left, right in pairs
        )
    if isinstance(got, dict) and isinstance(expected, dict):
        return _same_tagged(got, expected, tolerance, depth)
    if isinstance(got, float) and isinstance(expected, float) and tolerance:
        return math.isclose(got, expected, rel_tol=tolerance, abs_tol=tolerance)
    return got == expected


def _same_tagged(
    got: dict[str, Any], expected: dict[str, Any], tolerance: float, depth: int
) -> bool:
    if len(got) != 1 or got.keys() != expected.keys():
        return False
    ((kind, left),) = got.items()
    right = expected[kind]
    if kind in _UNORDERED:
        return _sorted(left) == _sorted(right)
    if kind == "dict":
        ours, theirs = _by_key(left), _by_key(right)
        if ours is None or theirs is None or ours.keys() != theirs.keys():
            return False
        return all(_same(ours[key], theirs[key], tolerance, depth - 1) for key in theirs)
    return _same(left, right, tolerance, depth - 1)


def _sorted(items: object) -> list[str] | None:
    return sorted(map(_text, items)) if isinstance(items, list) else None


def _by_key(pairs: object) -> dict[str, Any] | None:
    """Return values by the text of their key: strings hash with this process's own secret."""
    if not isinstance(pairs, list) or any(
        not isinstance(pair, list) or len(pair) != len(("key", "value")) for pair in pairs
    ):
        return None
    return {_text(key): value for key, value in pairs}


def _text(tree: object) -> str:
    """Return a tree as text that is the same for equal values, however their sets are ordered."""
    return json.dumps(_canonical(tree))


def _canonical(tree: object) -> object:
    if isinstance(tree, list):
        return [_canonical(item) for item in tree]
    if isinstance(tree, dict):
        return {
            kind: _sorted(body) if kind in _UNORDERED else _canonical(body)
            for kind, body in tree.items()
        }
    return tree + 0.0 if isinstance(tree, float) else tree  # which has no negative zero


def display(tree: object) -> str:
    """Return a tree as Python would write the value, cut to a line's length."""
    text = _shown(tree, 8)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _shown(tree: object, depth: int) -> str:
    if depth == 0:
        return "..."
    if isinstance(tree, list):
        return f"[{_items(tree, depth)}]"
    if not isinstance(tree, dict):
        return repr(tree)
    ((kind, body),) = tree.items() if len(tree) == 1 else [("malformed", None)]
    brackets = _BRACKETS.get(kind)
    if brackets is None or not isinstance(body, list):
        return f"{kind}({_shown(body, depth - 1)})"
    comma = "," if kind == "tuple" and len(body) == 1 else ""
    items = _pairs(body, depth) if kind == "dict" else _items(body, depth)
    return f"{brackets[0]}{items}{comma}{brackets[1]}"


_BRACKETS = {"dict": "{}", "set": "{}", "tuple": "()"}


def _pairs(pairs: list[Any], depth: int) -> str:
    fit = (pair for pair in pairs[:_SHOWN] if isinstance(pair, list) and len(pair) > 1)
    return ", ".join(f"{_shown(pair[0], depth - 1)}: {_shown(pair[1], depth - 1)}" for pair in fit)


def _items(items: list[Any], depth: int) -> str:
    return ", ".join(_shown(item, depth - 1) for item in items[:_SHOWN])
