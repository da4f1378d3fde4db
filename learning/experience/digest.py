"""Plain tool output -> structured evidence. Only parsed fields leave this module.

It never raises and reads each line once. It knows Python tracebacks and the lines in which pytest
sums up; a parser for another tool is one more function in `PARSERS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from learning.evidence.output import parse_output
from learning.records import Evidence, EvidenceKind, Tier

_MAX_CHARACTERS = 200_000
_MAX_LINE = 2_000
_MAX_FACTS = 20
_MAX_MESSAGE = 600

_HEADER = "Traceback (most recent call last):"
_FRAME = re.compile(r'  File "([^"]{1,1000})", line (\d{1,9})(?:, in (.{1,300}))?')
_FINAL = re.compile(r"((?:[A-Za-z_]\w{0,80}\.){0,8}[A-Z]\w{0,80})(?:: (.*))?")
_SUMMARY = re.compile(
    r"(?:FAILED|ERROR) (\S{1,400}?\.py(?:::\S.{0,400}?)?)(?: - (?:([A-Za-z_]\w{0,80}): )?(.{0,600}))?"
)
_PLACE = re.compile(r"([^\s:]{1,400}\.py):(\d{1,9}): ([A-Za-z_]\w{0,80})?")
_COMPARISON = re.compile(r"(?:AssertionError: )?assert (.{1,300}?) == (.{1,300})")
_UNEQUAL = re.compile(r"(?:AssertionError: )?(.{1,300}?) != (.{1,300}?)(?: : .{0,300})?")
_NOT_RAISED = re.compile(
    r"(?:Failed: )?DID NOT RAISE (?:any of )?(.{1,200})|(?:AssertionError: )?(\w{1,80}) not raised.{0,200}"
)
_CLASS = re.compile(r"<class '(?:[\w.]{0,200}\.)?(\w{1,80})'>")
_CHAIN = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)


def digest(output: str, *, subject: str = "", tier: Tier = Tier.HARNESS) -> tuple[Evidence, ...]:
    """The facts in a tool's output, in the order they were printed, the newest at the end.

    `subject` names what was run. Of long output the end is read: that is where the reason stands.
    """
    lines = [line[:_MAX_LINE] for line in output[-_MAX_CHARACTERS:].splitlines()]
    facts = [fact for parse in PARSERS for fact in parse(lines, subject, tier)]
    if not facts:  # another language's tool, or a printed result
        return parse_output(output, subject=subject, tier=tier)
    return tuple(facts[-_MAX_FACTS:])


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


@dataclass(slots=True)
class _Traceback:
    file: str = ""
    line: int = 0
    function: str = ""
    frames: int = field(default=0)


def _python_tracebacks(lines: Sequence[str], subject: str, tier: Tier) -> list[Evidence]:
    """Every traceback, chained ones one by one: the cause first, what it led to after it."""
    found: list[Evidence] = []
    current: _Traceback | None = None
    for index, raw in enumerate(lines):
        line = _unindented(raw)
        if line == _HEADER:
            current = _Traceback()
        elif frame := _FRAME.fullmatch(line):
            # A SyntaxError found by the compiler prints its place without a header.
            current = current or _Traceback()
            current.file, current.line = frame[1], int(frame[2])
            current.function = frame[3] or ""
            current.frames += 1
        elif current is not None and line and not line.startswith(" "):
            if current.frames and (final := _FINAL.fullmatch(line)):
                message = _message(final[2] or "", lines[index + 1 :])
                found.append(_evidence(current, final[1], message, subject, tier))
            current = None
    return found


def _unindented(line: str) -> str:
    """Without the frame that an exception group draws around its members."""
    return re.sub(r"^ {0,40}(?:\| |\+-[-+]*(?: \d{1,4} -+)?|\|$)", "", line.rstrip())


def _message(first: str, following: Sequence[str]) -> str:
    """The exception's message: multi-line ones end at an empty line or the next section."""
    kept = [first]
    for line in following[:5]:
        if not line.strip() or line.strip() in (_HEADER, *_CHAIN) or line.startswith(("  ", "=")):
            break
        kept.append(line)
    return "\n".join(kept)[:_MAX_MESSAGE]


def _evidence(
    place: _Traceback, exception: str, message: str, subject: str, tier: Tier
) -> Evidence:
    return Evidence(
        kind=EvidenceKind.TRACEBACK,
        tier=tier,
        subject=subject,
        exception=exception.rsplit(".", 1)[-1],
        message=message,
        file=place.file,
        line=place.line,
        function="" if place.function == "<module>" else place.function,
    )


def _pytest_summary(lines: Sequence[str], subject: str, tier: Tier) -> list[Evidence]:
    """Every test that the short summary names, with the place where its report ended."""
    places: dict[str, tuple[str, int]] = {}
    found: list[Evidence] = []
    for line in lines:
        if place := _PLACE.fullmatch(line.rstrip()):
            places[place[1]] = (place[1], int(place[2]))
        elif summed := _SUMMARY.fullmatch(line.rstrip()):
            test, exception, message = summed[1], summed[2] or "", summed[3] or ""
            expected, got = compared_values(message)
            file, number = places.get(test.partition("::")[0], ("", 0))
            found.append(
                Evidence(
                    kind=EvidenceKind.TEST_FAILURE,
                    tier=tier,
                    subject=test,
                    exception=exception or ("AssertionError" if expected else ""),
                    message=message,
                    file=file,
                    line=number,
                    function=test.rpartition("::")[2].partition("[")[0] if "::" in test else "",
                    expected=expected,
                    got=got,
                )
            )
    return found


Parser = Callable[[Sequence[str], str, Tier], Sequence[Evidence]]
PARSERS: tuple[Parser, ...] = (_python_tracebacks, _pytest_summary)
