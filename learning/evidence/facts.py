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
class ReportedFact:
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


Parser = Callable[[Sequence[str]], Iterable[ReportedFact]]
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


_MAX_LINE = 2_000
_COMPARISON = re.compile(r"(?:AssertionError: )?assert (.{1,300}?) == (.{1,300})")
_UNEQUAL = re.compile(r"(?:AssertionError: )?(.{1,300}?) != (.{1,300}?)(?: : .{0,300})?")
_NOT_RAISED = re.compile(
    r"(?:Failed: )?DID NOT RAISE (?:any of )?(.{1,200})|(?:AssertionError: )?(\w{1,80}) not raised.{0,200}"
)
_CLASS = re.compile(r"<class '(?:[\w.]{0,200}\.)?(\w{1,80})'>")


def compared_values(message: str) -> tuple[str, str]:
    """What a failed check expected and what it got; two empty texts if the message says neither.

    Of `assertEqual(first, second)` the second counts as expected, as in `assert first == second`.
    """
    first_line = message.split("\n", 1)[0][:_MAX_LINE]
    if match := _COMPARISON.fullmatch(first_line) or _UNEQUAL.fullmatch(first_line):
        return match[2], match[1]
    if match := _NOT_RAISED.fullmatch(first_line):
        wanted = _CLASS.sub(r"\1", match[1] or match[2])
        return f"{wanted} is raised", "no exception"
    return "", ""
