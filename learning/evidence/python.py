"""Parses Python's tracebacks, also chained and grouped ones, syntax errors, unittest and doctest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from learning.evidence.facts import ReportedFact, clipped, compared_values, is_library
from learning.records import EvidenceKind

_HEADERS = (
    "Traceback (most recent call last):",
    "Exception Group Traceback (most recent call last):",
)
_BOX = re.compile(r" {0,40}(?:\| ?|\+ |\+-[-+]{0,60}(?: \d{1,5} -{1,40})?$)")
_FRAME = re.compile(r'  File "([^"]{1,1000})", line (\d{1,9})(?:, in (.{1,300}))?')
_FINAL = re.compile(r"((?:[A-Za-z_]\w{0,80}\.){0,8}[A-Z]\w{0,80})(?:: (.{0,2000}))?")
_CHAIN = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_RULE = re.compile(r"[=-]{20,200}")
_UNITTEST = re.compile(r"(?:FAIL|ERROR): (\S{1,200}) \(([^()]{1,300})\)")
_DOCTEST = re.compile(r'File "([^"]{1,1000})", line (\d{1,9}), in (.{1,300})')
_MAX_MORE_LINES = 5


@dataclass(frozen=True, slots=True)
class _Frame:
    file: str
    line: int
    function: str


def tracebacks(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """One fact per exception: a cause before its effect, and each member of a group by itself.

    The place is the innermost frame of the project, or of a library where there is none.
    """
    plain = [_unboxed(line) for line in lines]
    start = -1
    places: list[_Frame] = []
    for index, line in enumerate(plain):
        if line in _HEADERS:
            start, places = index, []
        elif frame := _FRAME.fullmatch(line):
            # The compiler prints the place of a SyntaxError without a header.
            start = index if start < 0 else start
            function = frame[3] or ""
            places.append(
                _Frame(frame[1], int(frame[2]), "" if function == "<module>" else function)
            )
        elif start >= 0 and line and not line.startswith(" "):
            if places and (final := _FINAL.fullmatch(line)):
                yield _exception(plain, start, index, places, final)
            start, places = -1, []


def unittests(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """The report of unittest on each test that failed, from its own traceback."""
    starts = [
        index
        for index, line in enumerate(lines)
        if _UNITTEST.fullmatch(line) and index and _RULE.fullmatch(lines[index - 1])
    ]
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=False):
        found = list(tracebacks(lines[start:stop]))
        named = _UNITTEST.fullmatch(lines[start])
        if not found or named is None:
            continue
        fact = found[-1]
        asserted = fact.exception == "AssertionError"
        expected, got = compared_values(fact.message) if asserted else ("", "")
        yield replace(
            fact,
            first=start,
            last=start + fact.last,
            kind=EvidenceKind.TEST_FAILURE,
            subject=named[2] if named[2].endswith(named[1]) else f"{named[2]}.{named[1]}",
            got=got,
            expected=expected,
        )


def doctests(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """The report of doctest: the example, the expected and the actual output."""
    for index, line in enumerate(lines):
        place = _DOCTEST.fullmatch(line)
        if place is None or lines[index + 1 : index + 2] != ["Failed example:"]:
            continue
        sections, last = _sections(lines, index + 1)
        yield ReportedFact(
            first=index,
            last=last,
            kind=EvidenceKind.TEST_FAILURE,
            exception="",
            message=clipped(
                f"{sections['Failed example:']} gave {sections['Got:']},"
                f" expected {sections['Expected:']}"
            ),
            file=place[1],
            line=int(place[2]),
            function=place[3],
            subject=place[3],
            expected=clipped(sections["Expected:"]),
            got=clipped(sections["Got:"]),
        )


def _sections(lines: Sequence[str], start: int) -> tuple[dict[str, str], int]:
    sections = {"Failed example:": "", "Expected:": "", "Got:": ""}
    current, last = "", start
    for index, line in enumerate(lines[start : start + 60], start=start):
        if line in sections:
            current = line
        elif line.startswith("    ") and current:
            sections[current] = f"{sections[current]}\n{line.strip()}".strip()
        else:
            break
        last = index
    return sections, last


def _exception(
    lines: Sequence[str], start: int, index: int, places: Sequence[_Frame], final: re.Match[str]
) -> ReportedFact:
    message, last = _message(final[2] or "", lines, index)
    own = [place for place in places if not is_library(place.file)]
    place = (own or places)[-1]
    return ReportedFact(
        first=start,
        last=last,
        kind=EvidenceKind.TRACEBACK,
        exception=final[1].rsplit(".", 1)[-1],
        message=clipped(message),
        file=place.file,
        line=place.line,
        function=place.function,
    )


def _message(first: str, lines: Sequence[str], index: int) -> tuple[str, int]:
    """The exception's message, which ends at an empty line or the next section."""
    kept = [first]
    for line in lines[index + 1 : index + 1 + _MAX_MORE_LINES]:
        ended = not line.strip() or line in _HEADERS or line.strip() in _CHAIN
        if ended or line.startswith(("  ", "=", "---", "+")) or _FRAME.fullmatch(line):
            break
        kept.append(line)
    return "\n".join(kept), index + len(kept) - 1


def _unboxed(line: str) -> str:
    """Drop the frame that an exception group draws around its members."""
    box = _BOX.match(line)
    return line[box.end() :].rstrip() if box and box.end() else line.rstrip()
