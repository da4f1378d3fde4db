"""What every parser of tool output gives: a fact and the lines that it stands on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from learning.records import EvidenceKind

MAX_MESSAGE = 600
_LIBRARY = re.compile(
    r"(?:^|/)(?:site-packages|dist-packages|node_modules|rustc)/|(?:^|/)lib/python\d|^<frozen |^node:"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that a tool reported, with the numbers of its first and last line."""

    first: int
    last: int
    kind: EvidenceKind
    exception: str = ""
    """The exception's name or the diagnostic's code."""
    message: str = ""
    file: str = ""
    line: int = 0
    function: str = ""
    subject: str = ""
    """What it is about, where the output says so."""
    expected: str = ""
    got: str = ""


Parser = Callable[[Sequence[str]], Iterable[Fact]]
"""From lines without their ends to facts in order. Never raises; reads each line a few times."""


def is_library(file: str) -> bool:
    """Whether a path belongs to a library or the language itself rather than to the project."""
    return _LIBRARY.search(file) is not None


def clipped(text: str) -> str:
    """A message of bearable length, its end kept: there the reason stands."""
    text = text.strip()
    if len(text) <= MAX_MESSAGE:
        return text
    half = MAX_MESSAGE // 2
    return f"{text[:half]} ... {text[-half:]}"
