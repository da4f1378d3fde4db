"""The result of every parser of tool output: a fact and the lines that it was read from."""

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
    """The test, file or call that the fact is about, if the output names it."""
    expected: str = ""
    got: str = ""


Parser = Callable[[Sequence[str]], Iterable[ReportedFact]]
"""Maps lines without line ends to facts in order. A parser never raises and reads each line a few times."""


def is_library(file: str) -> bool:
    """True if a path belongs to a library or the language itself and not to the project."""
    return _LIBRARY.search(file) is not None


def clipped(text: str) -> str:
    """A message cut in its middle to `MAX_MESSAGE` characters; its end often holds the reason."""
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
    """The expected and the actual value in a failed check's message; two empty texts if it has none.

    Of `assertEqual(first, second)` the second counts as expected, as in `assert first == second`.
    """
    first_line = message.split("\n", 1)[0][:_MAX_LINE]
    if match := _COMPARISON.fullmatch(first_line) or _UNEQUAL.fullmatch(first_line):
        return match[2], match[1]
    if match := _NOT_RAISED.fullmatch(first_line):
        wanted = _CLASS.sub(r"\1", match[1] or match[2])
        return f"{wanted} is raised", "no exception"
    return "", ""
