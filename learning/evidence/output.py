"""Parses the output of any tool into evidence. Only parsed fields leave this package, never raw output.

Parsing never raises, and its time is bounded for any input: of long output only the end is read, of long
lines only the beginning, and every pattern is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from learning.evidence.compilers import (
    colon_errors,
    go_errors,
    lint_findings,
    rust_errors,
    typescript_errors,
)
from learning.evidence.facts import Parser, ReportedFact, clipped
from learning.evidence.pytest import pytest_report
from learning.evidence.python import doctests, tracebacks, unittests
from learning.evidence.runtimes import go_failures, go_panics, node_errors, rust_panics
from learning.records import Evidence, EvidenceKind, Tier

_MAX_CHARACTERS = 200_000
_MAX_LINE = 2_000
_MAX_FACTS = 20
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,40}[A-Za-z]")

_CALL = r"([A-Za-z_][\w.]{0,120}\(.{0,400}?\))"
_ARROW = re.compile(rf"{_CALL} {{0,8}}(?:->|=>|→) {{0,8}}(\S.{{0,400}})")
_PROMPT = re.compile(rf">>> {_CALL}")


def printed_pairs(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """`f(1, 2) -> 3`, and a call at an interpreter's prompt with the line below it."""
    for index, line in enumerate(lines):
        if found := _ARROW.fullmatch(line.strip()):
            yield _pair(index, index, found[1], found[2])
        elif (found := _PROMPT.fullmatch(line)) and index + 1 < len(lines):
            below = lines[index + 1]
            if below.strip() and not below.startswith((">>>", "...", "Traceback ")):
                yield _pair(index, index + 1, found[1], below.strip())


def _pair(first: int, last: int, call: str, value: str) -> ReportedFact:
    return ReportedFact(
        first=first,
        last=last,
        kind=EvidenceKind.IO_PAIR,
        message=clipped(f"{call} gave {value}"),
        function=call.partition("(")[0],
        subject=call,
        got=clipped(value),
    )


PARSERS: tuple[Parser, ...] = (
    pytest_report,
    unittests,
    doctests,
    rust_panics,
    go_failures,
    go_panics,
    tracebacks,
    node_errors,
    rust_errors,
    typescript_errors,
    lint_findings,
    colon_errors,
    go_errors,
    printed_pairs,
)
"""Readers in order: a line that two could read belongs to the first; test runners come first."""


def parse_output(
    output: str,
    *,
    subject: str = "",
    tier: Tier = Tier.HARNESS,
    parsers: Sequence[Parser] = PARSERS,
) -> tuple[Evidence, ...]:
    """The facts in a tool's output, in the order of printing; at most the last twenty.

    `subject` names what was run, for facts that do not name it themselves.
    """
    facts = list(_facts(_lines(output), parsers))
    facts.sort(key=lambda fact: fact.first)
    return tuple(_evidence(fact, subject, tier) for fact in facts[-_MAX_FACTS:])


def _lines(output: str) -> list[str]:
    end = _COLOUR.sub("", output[-_MAX_CHARACTERS:])
    return [line[:_MAX_LINE] for line in end.splitlines()]


def _facts(lines: Sequence[str], parsers: Sequence[Parser]) -> Iterator[ReportedFact]:
    owned = bytearray(len(lines))
    for parse in parsers:
        fresh = [fact for fact in parse(lines) if not any(owned[fact.first : fact.last + 1])]
        for fact in fresh:
            owned[fact.first : fact.last + 1] = b"\x01" * (fact.last + 1 - fact.first)
        yield from fresh


def _evidence(fact: ReportedFact, subject: str, tier: Tier) -> Evidence:
    return Evidence(
        kind=fact.kind,
        tier=tier,
        subject=fact.subject or subject,
        exception=fact.exception,
        message=fact.message,
        file=fact.file,
        line=fact.line,
        function=fact.function,
        expected=fact.expected,
        got=fact.got,
    )
