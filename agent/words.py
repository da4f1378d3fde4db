"""Takes the words of a text apart: parts of identifiers, in lower case, without endings."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-z_]\w+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SHORT = 3
"""Letters up to which a word has no plural worth cutting."""
_LEAST = 4
"""Letters of a stem."""
_ENDINGS = ["ations", "ation", "ating", "ative", "ings", "ing", "ated", "ies", "ed", "es", "s", "y"]
COMMON = frozenset(
    [
        "the",
        "is",
        "are",
        "was",
        "what",
        "where",
        "which",
        "who",
        "why",
        "how",
        "does",
        "do",
        "did",
        "when",
        "can",
        "could",
        "would",
        "should",
        "this",
        "that",
        "it",
        "its",
        "for",
        "from",
        "with",
        "and",
        "or",
        "not",
        "in",
        "on",
        "of",
        "to",
        "an",
        "be",
        "by",
        "as",
        "if",
        "at",
        "my",
        "me",
        "you",
        "we",
        "there",
        "any",
        "all",
        "file",
        "files",
        "function",
        "functions",
        "class",
        "method",
        "code",
        "project",
        "python",
        "return",
        "returns",
        "get",
        "set",
        "self",
        "def",
        "give",
        "show",
        "tell",
        "list",
        "explain",
    ]
)
"""Words that say nothing of what a message is about."""


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, with identifiers taken apart and plurals cut."""
    parts = (part.lower() for word in _WORD.findall(text) for part in _PART.findall(word))
    return [
        part.removesuffix("s") if len(part) > _SHORT else part for part in parts if len(part) > 1
    ]


def stems_of(text: str) -> frozenset[str]:
    """The stems of the words that say what a text is about, with identifiers taken apart."""
    parts = (part.lower() for word in _WORD.findall(text) for part in _PART.findall(word))
    return frozenset(stem(part) for part in parts if len(part) > _SHORT and part not in COMMON)


def stem(word: str) -> str:
    """A rough stem, the same for number and numbers, cumulative and cumulated, cancel and cancelled."""
    fits = (end for end in _ENDINGS if word.endswith(end) and len(word) - len(end) >= _LEAST)
    cut = word.removesuffix(next(fits, ""))
    return cut[:-1] if len(cut) > _SHORT and cut[-1:] == cut[-2:-1] else cut
