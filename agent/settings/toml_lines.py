"""Where in a TOML file a key stands, found by reading its text; `tomllib` does not tell."""

from __future__ import annotations

import re

_TABLE = re.compile(r"^\s*\[(?P<name>[^\[\]]+)\]\s*(#.*)?$")
_KEY = re.compile(r"""^\s*(?P<name>(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[^\s=]+)*)\s*=""")


def line_of(text: str, key: tuple[str, ...]) -> int:
    """The line of a key, of the inline table or table that holds it, or 1."""
    places = _places(text)
    for length in range(len(key), 0, -1):
        if key[:length] in places:
            return places[key[:length]]
    return 1


def _places(text: str) -> dict[tuple[str, ...], int]:
    places: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _TABLE.match(line):
            table = _split(found["name"])
            places.setdefault(table, number)
        elif found := _KEY.match(line):
            places.setdefault(table + _split(found["name"]), number)
    return places


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
