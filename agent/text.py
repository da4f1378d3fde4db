"""Text for people: made safe for terminals, and amounts with their units."""

from __future__ import annotations

from sandbox.box.streams import display_safe

__all__ = ["as_utf8", "display_safe", "format_bytes", "format_seconds", "one_line"]

_MINUTE_S = 60
_HOUR_S = 3600
_KILO = 1000


def format_seconds(seconds: float) -> str:
    """A duration for people: `45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"


def format_bytes(size: float) -> str:
    """A size for people: `512 B`, `98.4 MB`, `1.1 GB` (powers of ten)."""
    if size < _KILO:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= _KILO
        if size < _KILO:
            return f"{size:.1f} {unit}"
    return f"{size / _KILO:.1f} TB"


def as_utf8(text: str) -> str:
    """The text with `?` for what no file and no server takes: bytes of a command line that were no UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def one_line(text: str, *, most: int) -> str:
    """The first characters of a text as one line, in which no control character stands."""
    return " ".join(display_safe(text).split())[:most]
