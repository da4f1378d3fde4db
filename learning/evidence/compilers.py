"""Compilers, type checkers and linters: one fact for each error, with its code and place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from learning.evidence.facts import ReportedFact, clipped
from learning.records import EvidenceKind

_PATH = r"((?:[A-Za-z]:)?[^\s:(][^:(]{0,500})"
_COLON = re.compile(
    rf"{_PATH}:(\d{{1,9}})(?::\d{{1,9}})?: (?:fatal )?error: (.{{1,2000}}?)(?: +\[([\w.=+-]{{1,80}})\])?"
)
_INSIDE = re.compile(
    rf"{_PATH}: In (?:member )?(?:function|method|constructor) [\u2018'](.{{1,200}})[\u2019']:"
)
_LINKER = re.compile(r".{0,1000}?: (undefined reference to [`'\u2018](.{1,300})['\u2019])")
_LINKER_PLACE = re.compile(r"(?:.{1,500}?[: ])?([^\s:/]{1,200}\.\w{1,4}):")
_LINT = re.compile(
    rf"{_PATH}:(\d{{1,9}}):\d{{1,9}}: ([A-Z]{{1,8}}\d{{1,5}}) (?:\[\*\] )?(.{{1,2000}})"
)
_RULE_FIRST = re.compile(r"([A-Z]{1,8}\d{1,5}|invalid-syntax):? (?:\[\*\] )?(.{1,2000})")
_RUST = re.compile(r"error(?:\[(E\d{4})\])?: (.{1,2000})")
_ARROW = re.compile(r" {1,12}--> ([^:]{1,500}):(\d{1,9}):\d{1,9}")
_RUST_LABEL = re.compile(r"\^ ([^\s^].{0,300})$")
_GO = re.compile(rf"(?:vet: )?{_PATH[:-1]}\.go):(\d{{1,9}}):\d{{1,9}}: (.{{1,2000}})")
_TSC = re.compile(
    rf"{_PATH}(?:\((\d{{1,9}}),\d{{1,9}}\):|:(\d{{1,9}}):\d{{1,9}} -) error (TS\d{{1,6}}): (.{{1,2000}})"
)
_RUST_REACH = 12
"""Lines after the headline in which rustc draws the place."""


def colon_errors(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """gcc, clang, mypy and all who write `file:line: error: message [code]`."""
    function = ""
    for index, line in enumerate(lines):
        if inside := _INSIDE.fullmatch(line):
            function = inside[2]
        elif found := _COLON.fullmatch(line):
            yield _diagnostic(
                index, found[4] or "", found[3], found[1], int(found[2]), function=function
            )
        elif found := _LINKER.fullmatch(line):
            place = _LINKER_PLACE.match(line)
            yield _diagnostic(
                index, "linker", found[1], place[1] if place else "", 0, function=found[2]
            )


def lint_findings(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """Ruff and flake8, in the one-line form and in the one with the source below."""
    for index, line in enumerate(lines):
        if found := _LINT.fullmatch(line):
            yield _diagnostic(index, found[3], found[4], found[1], int(found[2]))
        elif (found := _RULE_FIRST.fullmatch(line)) and (place := _arrow_at(lines, index + 1)):
            yield _diagnostic(index, found[1], found[2], place[1], int(place[2]), last=index + 1)


def _arrow_at(lines: Sequence[str], index: int) -> re.Match[str] | None:
    return _ARROW.fullmatch(lines[index]) if index < len(lines) else None


def rust_errors(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """Rustc and cargo build: the headline, the place below it, and the label at the carets."""
    for index, line in enumerate(lines):
        found = _RUST.fullmatch(line)
        if found is None:
            continue
        below = lines[index + 1 : index + 1 + _RUST_REACH]
        stop = next((n for n, text in enumerate(below) if not text.strip()), len(below))
        below = below[:stop]
        place = next((p for text in below if (p := _ARROW.fullmatch(text))), None)
        if place is None:
            continue  # "aborting due to 2 previous errors" and the like
        label = next((t for text in below if (t := _RUST_LABEL.search(text))), None)
        message = f"{found[2]}: {label[1]}" if label else found[2]
        last = index + len(below)
        yield _diagnostic(index, found[1] or "", message, place[1], int(place[2]), last=last)


def go_errors(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """The Go compiler and vet."""
    for index, line in enumerate(lines):
        if found := _GO.fullmatch(line):
            yield _diagnostic(index, "", found[3], found[1], int(found[2]))


def typescript_errors(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """tsc, plain and pretty."""
    for index, line in enumerate(lines):
        if found := _TSC.fullmatch(line):
            yield _diagnostic(index, found[4], found[5], found[1], int(found[2] or found[3]))


def _diagnostic(
    index: int,
    code: str,
    message: str,
    file: str,
    line: int,
    *,
    function: str = "",
    last: int | None = None,
) -> ReportedFact:
    return ReportedFact(
        first=index,
        last=index if last is None else last,
        kind=EvidenceKind.DIAGNOSTIC,
        exception=code,
        message=clipped(message),
        file=file.removeprefix("./"),
        line=line,
        function=function,
    )
