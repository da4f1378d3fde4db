"""Python values as JSON trees that keep their types, and nothing else: no pickle, no classes.

JSON's own null, booleans, integers, floats, strings and lists stand for themselves; every other
kind is an object with one key, its type's name. Values of a subclass are written as the base
class holds them, whatever methods the subclass overrides; NumPy's scalars, which equal the numbers
that they hold, are written as these.
"""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Tree = Any  # None, bool, int, float, str, or a list or one-key object of trees

MAX_DEPTH = 60
MAX_NODES = 400_000
_PLAIN_INT = 2**53


class CodecError(ValueError):
    """The value is of a kind that cannot be sent, or too large, or the tree is malformed."""


def encode(value: object) -> Tree:
    """Return the value as a tree.

    Raises:
        CodecError: If it holds anything but the kinds above, is too deep or too large.
    """
    return _Encoder().tree(value, 0)


class _Encoder:
    def __init__(self) -> None:
        self._nodes = 0

    def tree(self, value: Any, depth: int) -> Tree:  # noqa: ANN401
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise CodecError("the value is too deep or too large to be sent")
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        for base, write in _WRITERS:
            if issubclass(kind, base):
                return write(self, value, depth + 1)
        if _is_numpy_number(kind):
            return self.tree(value.item(), depth + 1)
        raise CodecError(f"a value of type {kind.__name__} cannot be sent")

    def items(self, values: Any, depth: int) -> list[Tree]:  # noqa: ANN401
        return [self.tree(item, depth) for item in values]


def _is_numpy_number(kind: type) -> bool:
    """True for a number or truth value of a NumPy that the program itself has loaded."""
    numpy = sys.modules.get("numpy")
    numbers = [getattr(numpy, name, None) for name in ("number", "bool")]
    spans = getattr(numpy, "timedelta64", None)  # called numbers there, and equal to none
    return any(isinstance(n, type) and issubclass(kind, n) for n in numbers) and not (
        isinstance(spans, type) and issubclass(kind, spans)
    )


def _float(_: _Encoder, value: float, __: int) -> Tree:
    number = float.__float__(value)
    return number if math.isfinite(number) else {"float": float.__repr__(number)}


def _int(_: _Encoder, value: int, __: int) -> Tree:
    number = int.__int__(value)
    return number if -_PLAIN_INT <= number <= _PLAIN_INT else {"int": hex(number)}


def _dict(encoder: _Encoder, value: dict[Any, Any], depth: int) -> Tree:
    pairs = dict.items(value)
    return {"dict": [[encoder.tree(k, depth), encoder.tree(v, depth)] for k, v in pairs]}


_WRITERS: list[Any] = [
    (int, _int),
    (float, _float),
    (str, lambda _, value, __: str.__str__(value)),
    (list, lambda encoder, value, depth: encoder.items(list.__iter__(value), depth)),
    (tuple, lambda encoder, value, depth: {"tuple": encoder.items(tuple.__iter__(value), depth)}),
    (dict, _dict),
    (set, lambda encoder, value, depth: {"set": encoder.items(set.__iter__(value), depth)}),
    (
        frozenset,
        lambda encoder, value, depth: {
            "frozenset": encoder.items(frozenset.__iter__(value), depth)
        },
    ),
    (bytes, lambda _, value, __: {"bytes": bytes.hex(value)}),
    (bytearray, lambda _, value, __: {"bytearray": bytearray.hex(value)}),
    (
        complex,
        lambda encoder, value, depth: {"complex": encoder.items((value.real, value.imag), depth)},
    ),
    (range, lambda _, value, __: {"range": [value.start, value.stop, value.step]}),
]


def _complex(real: object, imaginary: object) -> complex:
    return complex(decode(real), decode(imaginary))


_READERS: dict[str, Callable[[Any], object]] = {
    "float": float,
    "int": lambda text: int(text, 16),
    "tuple": lambda items: tuple(map(_value, items)),
    "dict": lambda pairs: {_value(key): _value(value) for key, value in pairs},
    "set": lambda items: set(map(_value, items)),
    "frozenset": lambda items: frozenset(map(_value, items)),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda parts: _complex(*parts),
    "range": lambda ends: range(*ends),
}


def decode(tree: object) -> Any:  # noqa: ANN401
    """Return the value that a tree stands for.

    Only for trees from a process that is trusted as much as this one: a hostile one may be slow
    to turn into sets and dictionaries.

    Raises:
        CodecError: If it is not such a tree.
    """
    try:
        return _value(tree)
    except CodecError:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError, AttributeError) as error:
        raise CodecError("the tree is malformed") from error


def _value(tree: object) -> object:
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    if isinstance(tree, list):
        return [_value(item) for item in tree]
    if isinstance(tree, dict) and len(tree) == 1:
        ((kind, body),) = tree.items()
        if kind in _READERS:
            return _READERS[kind](body)
    raise CodecError("the tree is malformed")


def dump(message: object) -> bytes:
    """Return a message as the bytes of one frame."""
    return json.dumps(message, separators=(",", ":")).encode("ascii")


def load(data: bytes) -> Any:  # noqa: ANN401
    """Return the message in a frame.

    Raises:
        CodecError: If it is not JSON, or nested too deep.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CodecError("the frame is not a message") from error
