"""Parses failures at run time: errors of Node, tests and panics of Go, panics of Rust."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from learning.evidence.facts import ReportedFact, clipped, is_library
from learning.records import EvidenceKind

_REACH = 60
_MORE_OF_MESSAGE = 8
_NODE = re.compile(
    r"(?:Uncaught )?([A-Z]\w{0,60}Error|Error)(?: \[[A-Z_]{1,60}\])?(?:: (.{0,2000}))?"
)
_NODE_FRAME = re.compile(
    r" {4}at (?:(.{1,300}?) \()?(?:file://)?([^()\s]{1,500}):(\d{1,9}):\d{1,9}\)?(?: \{)?"
)
_NODE_PLACE = re.compile(r"((?:/|[A-Za-z]:\\|\.)?[^\s:]{1,500}\.[cm]?[jt]sx?):(\d{1,9})")
_NOT_EQUAL = re.compile(r"(.{1,300}) !== (.{1,300})")
_GO_TEST = re.compile(r" {0,40}--- FAIL: (\S{1,300}) \([\d.]{1,12}s\)")
_GO_WORD = re.compile(r" {4,44}([^\s:]{1,300}\.go):(\d{1,9}): (.{1,2000})")
_GOT_WANT = re.compile(r"(?:.{0,200}?(?:got|=) )?(.{1,200}?)[,;] (?:want|expected):? (.{1,200})")
_GO_PANIC = re.compile(r"panic: (.{1,2000}?)(?: \[recovered\])?")
_GO_CALL = re.compile(r"([\w./*()-]{1,300}?)\(.{0,300}\)")
_GO_PLACE = re.compile(r"\t(.{1,500}\.go):(\d{1,9})(?: \+0x[0-9a-f]{1,16})?")
_RUST_PANIC = re.compile(
    r"thread '(.{1,300}?)'(?: \(\d{1,12}\))? panicked at ([^':]{1,500}):(\d{1,9}):\d{1,9}:"
)
_RUST_OLD = re.compile(
    r"thread '(.{1,300}?)' panicked at '(.{0,2000})', ([^':]{1,500}):(\d{1,9}):\d{1,9}"
)
_RUST_SIDE = re.compile(r" {1,4}(left|right): (.{1,500})")


def node_errors(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """An uncaught error of Node, with the innermost frame of the project."""
    for index, line in enumerate(lines):
        if found := _NODE.fullmatch(line):
            following = lines[index + 1 : index + 1 + _REACH]
            more = list(
                itertools.takewhile(lambda text: not _NODE_FRAME.fullmatch(text), following)
            )
            matches = map(_NODE_FRAME.fullmatch, following[len(more) :])
            frames = [frame for frame in itertools.takewhile(bool, matches) if frame]
            if frames and len(more) <= _MORE_OF_MESSAGE:
                last = index + len(more) + len(frames)
                yield _node_error(found, more, frames, _headline(lines, index), (index, last))


def _node_error(
    found: re.Match[str],
    more: Sequence[str],
    frames: Sequence[re.Match[str]],
    headline: tuple[str, int],
    lines: tuple[int, int],
) -> ReportedFact:
    own = next((frame for frame in frames if not is_library(frame[2])), None)
    said = [line for line in more if line.strip()]
    compared = _NOT_EQUAL.fullmatch(said[0]) if len(said) == 1 else None
    file, number = (own[2], int(own[3])) if own else headline
    function = (own[1] or "") if own else ""
    return ReportedFact(
        first=lines[0],
        last=lines[1],
        kind=EvidenceKind.TRACEBACK,
        exception=found[1],
        message=clipped("\n".join([found[2] or "", *said])),
        file=file,
        line=number,
        function="" if function.startswith("Object.<anonymous>") else function,
        got=compared[1] if compared else "",
        expected=compared[2] if compared else "",
    )


def _headline(lines: Sequence[str], index: int) -> tuple[str, int]:
    """The headline; for a syntax error Node prints the place some lines above."""
    for line in reversed(lines[max(0, index - 6) : index]):
        if place := _NODE_PLACE.fullmatch(line):
            return place[1], int(place[2])
    return "", 0


def go_failures(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """One fact per test that `go test` reports as failed, with the test's own message."""
    name = ""
    for index, line in enumerate(lines):
        if failed := _GO_TEST.fullmatch(line):
            name = failed[1]
        elif name and (word := _GO_WORD.fullmatch(line)):
            wanted = _GOT_WANT.fullmatch(word[3])
            yield ReportedFact(
                first=index,
                last=index,
                kind=EvidenceKind.TEST_FAILURE,
                message=clipped(word[3]),
                file=word[1],
                line=int(word[2]),
                function=name.partition("/")[0],
                subject=name,
                got=wanted[1] if wanted else "",
                expected=wanted[2] if wanted else "",
            )


def go_panics(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """A Go panic, with the innermost call that is not the runtime's."""
    for index, line in enumerate(lines):
        found = _GO_PANIC.fullmatch(line)
        if found is None:
            continue
        for at in range(index + 1, min(index + _REACH, len(lines) - 1)):
            call, place = _GO_CALL.fullmatch(lines[at]), _GO_PLACE.fullmatch(lines[at + 1])
            if call and place and not call[1].startswith(("panic", "runtime.", "testing.")):
                yield ReportedFact(
                    first=index,
                    last=at + 1,
                    kind=EvidenceKind.TRACEBACK,
                    exception="panic",
                    message=clipped(found[1]),
                    file=place[1],
                    line=int(place[2]),
                    function=call[1],
                )
                break


def rust_panics(lines: Sequence[str]) -> Iterator[ReportedFact]:
    """A panic of a Rust program or test, in the present form and the one before Rust 1.73."""
    for index, line in enumerate(lines):
        if old := _RUST_OLD.fullmatch(line):
            yield _panic(index, old[1], (old[3], int(old[4])), [old[2]], last=index)
        elif found := _RUST_PANIC.fullmatch(line):
            below = lines[index + 1 : index + 7]
            said = list(itertools.takewhile(_is_said, below))
            place = (found[2], int(found[3]))
            yield _panic(index, found[1], place, said, last=index + len(said))


def _is_said(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("stack backtrace:", "note:"))


def _panic(
    first: int, thread: str, place: tuple[str, int], said: Sequence[str], *, last: int
) -> ReportedFact:
    test = "::" in thread
    sides = {side[1]: side[2] for line in said if (side := _RUST_SIDE.fullmatch(line))}
    message = "\n".join(line for line in said if not _RUST_SIDE.fullmatch(line))
    return ReportedFact(
        first=first,
        last=last,
        kind=EvidenceKind.TEST_FAILURE if test else EvidenceKind.TRACEBACK,
        exception="panic",
        message=clipped(message),
        file=place[0],
        line=place[1],
        function=thread,
        subject=thread if test else "",
        got=sides.get("left", ""),
        expected=sides.get("right", ""),
    )
