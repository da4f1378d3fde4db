"""A file with definitions put in, whichever language it is in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedText:
    """A file with definitions put in."""

    text: str
    replaced: tuple[str, ...]
    added: tuple[str, ...]
