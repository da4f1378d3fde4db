"""Reads what stands before the weights of a GGUF file: its settings, and the number of its weights.

A file may be a stranger's, so nothing in it is believed to be as long as it says. The reader of the
package `gguf` makes an array of each of some hundred thousand words, which takes half a minute.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from learning.model.engine import LocalModelError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
"""Numbers of GGUF's types and their letters for `struct`."""
_MOST_DIMENSIONS = 8


class GgufError(LocalModelError):
    """The file is not a readable GGUF file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """The settings of a GGUF file by their keys, and the number of its weights."""

    settings: Mapping[str, object]
    weights: int

    @property
    def architecture(self) -> str:
        """Its kind of model, as GGUF calls it; empty where it does not say."""
        return str(self.settings.get("general.architecture", ""))

    def own(self, key: str) -> object:
        """A setting of its architecture, such as `context_length`; None where there is none."""
        return self.settings.get(f"{self.architecture}.{key}")


def read_header(path: Path) -> GgufHeader:
    """Read settings and number of weights; the weights themselves are not looked at.

    Raises:
        GgufError: If the file cannot be read or is damaged; the message is the reason alone.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Cursor(data).header()
    except (ValueError, struct.error) as err:  # an empty file, a cut one, bytes that are no text
        raise GgufError(str(err)) from err
    except OSError as err:
        raise GgufError(err.strerror or "it cannot be read") from err


class _Cursor:
    """A place in the bytes of a file, which moves on with what is read."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def header(self) -> GgufHeader:
        if self._bytes(4) != _MAGIC:
            raise ValueError("it does not begin as a GGUF file does")
        version = self._number("I")
        if version not in _VERSIONS:
            raise ValueError(f"version {version} of GGUF is not supported")
        tensors, settings = self._number("Q"), self._number("Q")
        found = {self._text(): self._value(self._number("I")) for _ in range(settings)}
        return GgufHeader(settings=found, weights=sum(self._size() for _ in range(tensors)))

    def _size(self) -> int:
        """Read the description of one tensor; its number of weights."""
        self._text()
        dimensions = self._number("I")
        if dimensions > _MOST_DIMENSIONS:
            raise ValueError(f"a tensor has {dimensions} dimensions")
        sizes = self._numbers("Q", dimensions)
        self._number("I")  # how its weights are packed
        self._number("Q")  # where they are
        return int(math.prod(sizes))

    def _value(self, kind: int) -> object:
        if kind == _ARRAY:
            kind, count = self._number("I"), self._number("Q")
            if kind == _STRING:
                return [self._text() for _ in range(count)]
            return list(self._numbers(_letter(kind), count))
        return self._text() if kind == _STRING else self._numbers(_letter(kind), 1)[0]

    def _text(self) -> str:
        return self._bytes(self._number("Q")).decode()

    def _number(self, letter: str) -> int:
        return int(self._numbers(letter, 1)[0])

    def _numbers(self, letter: str, count: int) -> tuple[int | float | bool, ...]:
        one = struct.calcsize(f"<{letter}")
        return struct.unpack(f"<{count}{letter}", self._bytes(count * one))

    def _bytes(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise ValueError("it ends too early")
        found = self._data[self._at : end]
        self._at = end
        return found


def _letter(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"a setting has the unknown type {kind}")
    return _SCALARS[kind]
