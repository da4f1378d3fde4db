"""Signature of an error without its values, and the likeness of two errors."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_VALUES = re.compile(
    r"'[^']{0,200}'|\"[^\"]{0,200}\"|\d+(?:\.\d+)?|\[[^\]]{0,200}\]|\{[^}]{0,200}\}"
)
_NAMES = re.compile(r"'([A-Za-z_][\w.]{1,80})'|\b([A-Za-z_]\w*(?:\.\w+)+)\b|\b([A-Za-z_]\w+)\(")
_EXCEPTION = re.compile(r"(?:[\w.]{0,80}\.)?([A-Z]\w{0,80}): (.*)", re.DOTALL)
_PLAIN_CHECKS = frozenset({"AssertionError", "Failed", ""})
_SAME_NAMES = 0.5
_SAME_WORDS = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSignature:
    """An error as its type, its words and the names of the program that it mentions."""

    exception: str
    words: str
    """The message with a mark in the place of every value."""
    names: frozenset[str]


def signature_of(exception: str, message: str) -> ErrorSignature:
    """The signature of an error; an exception in front of the message is understood."""
    line = message.strip().split("\n", 1)[0]
    if match := _EXCEPTION.fullmatch(line):
        exception, line = exception or match[1], match[2]
    found = (match[1] or match[2] or match[3] for match in _NAMES.finditer(message))
    names = frozenset(name.rpartition(".")[2] for name in found) - {"assert"}
    words = " ".join(_VALUES.sub("#", line).casefold().split())
    return ErrorSignature(exception=exception.rpartition(".")[2], words=words, names=names)


def likeness(one: ErrorSignature, other: ErrorSignature) -> float:
    """Likeness of two errors from 0 to 1; 0 for different types.

    The words of a failed check ("assert # == #") do not count: it has to mention the same names.
    """
    if one.exception != other.exception:
        return 0.0
    every = one.names | other.names
    names = len(one.names & other.names) / len(every) if every else 0.0
    words = difflib.SequenceMatcher(None, one.words, other.words).ratio()
    if one.exception in _PLAIN_CHECKS:
        return names if names >= _SAME_NAMES else 0.0
    if names >= _SAME_NAMES or (not every and words >= _SAME_WORDS):
        return (names + words) / 2
    # The same mistake with another name is a weaker lesson, and still one.
    return words / 2 if words >= _SAME_WORDS else 0.0
