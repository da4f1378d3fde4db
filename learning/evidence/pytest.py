"""pytest's report: the section of each test that failed or whose set-up did, in any style."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from learning.evidence.facts import ReportedFact, clipped, compared_values, is_library
from learning.evidence.python import tracebacks
from learning.records import EvidenceKind

_SECTION = re.compile(
    r"_{2,200} (?:ERROR (?:at (?:setup|teardown) of|collecting) )?(\S.{0,300}?) _{2,200}"
)
_END = re.compile(r"={3,200} .{1,200} ={3,200}")
_PLACE = re.compile(r"([^\s:][^:]{0,500}):(\d{1,9}): (?:in (.{1,300})|([A-Z]\w{0,80})?)")
_SUMMARY = re.compile(r"(?:FAILED|ERROR) ([^\s:]{1,500}(?:::.{1,500}?)?)(?: - (.{0,2000}))?")
_REASON = re.compile(r"E {3,12}(.{0,2000})")
_EXCEPTION = re.compile(r"((?:[A-Za-z_]\w{0,80}\.){0,8}[A-Z]\w{0,80}): (.{0,2000})", re.DOTALL)
_MAX_REASONS = 8


def pytest_report(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """One fact for each section; where there are none, for each line of the short summary."""
    summary = dict(_summary(lines))
    bounds = [i for i, line in enumerate(lines) if _SECTION.fullmatch(line) or _END.fullmatch(line)]
    found = False
    for start, stop in zip(bounds, [*bounds[1:], len(lines)], strict=False):
        named = _SECTION.fullmatch(lines[start])
        fact = _section(lines, start, stop, _id_of(named[1], summary)) if named else None
        if fact is not None:
            found = True
            yield fact
    if not found:
        yield from _from_summary(lines)


def _section(lines: Sequence[str], start: int, stop: int, subject: str) -> ReportedFact | None:
    body = lines[start + 1 : stop]
    reasons = [reason[1] for line in body if (reason := _REASON.fullmatch(line))]
    places = [
        (place[1], int(place[2]), place[3] or "")
        for line in body
        if (place := _PLACE.fullmatch(line))
    ]
    if not reasons:
        native = list(tracebacks(body))
        if not native:
            return None
        reasons = [f"{native[-1].exception}: {native[-1].message}"]
        places = [(native[-1].file, native[-1].line, native[-1].function)]
    named = next((e for r in reasons if (e := _EXCEPTION.fullmatch(r))), None)
    last_word = next((line for line in reversed(body) if _PLACE.fullmatch(line)), "")
    place = _PLACE.fullmatch(last_word)
    exception = named[1].rsplit(".", 1)[-1] if named else (place[4] if place and place[4] else "")
    expected, got = compared_values(reasons[0])
    if not exception and reasons[0].startswith("assert "):
        exception = "AssertionError"
    own = [where for where in places if not is_library(where[0])] or places or [("", 0, "")]
    file, line, function = own[-1]
    return ReportedFact(
        first=start,
        last=stop - 1,
        kind=EvidenceKind.TEST_FAILURE,
        exception=exception,
        message=clipped("\n".join(reasons[:_MAX_REASONS]).removeprefix(f"{exception}: ")),
        file=file,
        line=line,
        function=function,
        subject=subject,
        got=got,
        expected=expected,
    )


def _summary(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Maps the title of a section to the full id of its test."""
    for line in lines:
        if (found := _SUMMARY.fullmatch(line)) and ".py" in found[1]:
            yield found[1].partition("::")[2].replace("::", ".") or found[1], found[1]


def _id_of(name: str, summary: dict[str, str]) -> str:
    return summary.get(name, name)


def _from_summary(lines: Sequence[str]) -> Iterator[ReportedFact]:
    places: dict[str, int] = {}
    for index, line in enumerate(lines):
        if place := _PLACE.fullmatch(line):
            places[place[1]] = int(place[2])
        found = _SUMMARY.fullmatch(line)
        if found is None or ".py" not in found[1] or not found[2]:
            continue
        named = _EXCEPTION.fullmatch(found[2])
        message = named[2] if named else found[2]
        expected, got = compared_values(message)
        unnamed = "AssertionError" if message.startswith("assert ") else ""
        yield ReportedFact(
            first=index,
            last=index,
            kind=EvidenceKind.TEST_FAILURE,
            exception=named[1].rsplit(".", 1)[-1] if named else unnamed,
            message=clipped(message),
            file=found[1].partition("::")[0],
            line=places.get(found[1].partition("::")[0], 0),
            function=found[1].rpartition("::")[2].partition("[")[0] if "::" in found[1] else "",
            subject=found[1],
            expected=expected,
            got=got,
        )
