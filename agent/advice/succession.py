"""Reads from an error what is gone and what it says to use instead."""

from __future__ import annotations

import re

_QUOTED = re.compile(r"`+([^`\n]{1,60})`+|(?<!\w)'([^'\n]{1,40})'(?!\w)|\"([^\"\n]{1,40})\"")
_INSTEAD = re.compile(
    r"\b(?:use|instead of|renamed(?: to)?|replaced (?:with|by)|did you mean|in favou?r of)\b(?! of\b)",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"removed|no longer|not supported|deprecat|replaced|renamed|instead", re.IGNORECASE
)
_SUGGESTED = re.compile(r"did you mean", re.IGNORECASE)


def succession(message: str, *, suggested: bool = False) -> tuple[str, str]:
    """Return the old and the new piece that an error quotes; both empty where it names no successor.

    The old one is empty where nothing is quoted before the successor. With `suggested`, the names that
    Python itself suggests for their spelling count, too.
    """
    if not (_GONE.search(message) or (suggested and _SUGGESTED.search(message))):
        return "", ""
    for cue in _INSTEAD.finditer(message):
        if after := _QUOTED.search(message, cue.end()):
            before = _QUOTED.search(message, 0, cue.start())
            return _inside(before) if before else "", _inside(after)
    return "", ""


def _inside(match: re.Match[str]) -> str:
    return next(part for part in match.groups() if part)
