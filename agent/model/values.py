"""Fields of what a server sends: of the wrong type they read as missing."""

from __future__ import annotations

from collections.abc import Mapping

_MAX_CHARACTERS = 300


def as_mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    return value if isinstance(value, str) else ""


def as_number(value: object) -> int:
    """A whole number, also where it is written as text or with a point; else 0."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else 0
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else 0  # noqa: PLR2004
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def numbers(value: object) -> list[int]:
    """The whole numbers of a list."""
    return [item for item in as_list(value) if isinstance(item, int)]


def harmless(text: str) -> str:
    """A server's words on one line, without control characters and not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    too_long = len(line) > _MAX_CHARACTERS
    return line[:_MAX_CHARACTERS] + " ..." if too_long else line
