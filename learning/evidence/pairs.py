"""Printed inputs and outputs: what calls gave, without a word on what they should have given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from learning.evidence.facts import Fact, clipped
from learning.records import EvidenceKind

_CALL = r"([A-Za-z_][\w.]{0,120}\(.{0,400}?\))"
_ARROW = re.compile(rf"{_CALL} {{0,8}}(?:->|=>|→) {{0,8}}(\S.{{0,400}})")
_PROMPT = re.compile(rf">>> {_CALL}")


def printed_pairs(lines: Sequence[str]) -> Iterator[Fact]:
    """`f(1, 2) -> 3`, and a call at an interpreter's prompt with the line below it."""
    for index, line in enumerate(lines):
        if found := _ARROW.fullmatch(line.strip()):
            yield _pair(index, index, found[1], found[2])
        elif (found := _PROMPT.fullmatch(line)) and index + 1 < len(lines):
            below = lines[index + 1]
            if below.strip() and not below.startswith((">>>", "...", "Traceback ")):
                yield _pair(index, index + 1, found[1], below.strip())


def _pair(first: int, last: int, call: str, value: str) -> Fact:
    return Fact(
        first=first,
        last=last,
        kind=EvidenceKind.IO_PAIR,
        message=clipped(f"{call} gave {value}"),
        function=call.partition("(")[0],
        subject=call,
        got=clipped(value),
    )
