"""Reads the reporters' records: tolerant of anything, since the tests could have written them.

Each record is signed with the key of its run and numbered. What is not signed is never a result;
what pretends to be signed, or comes twice, is counted as interference.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from sandbox.box.network import needs_network
from sandbox.verdict.hiding import without_names
from sandbox.verdict.report import Frame, TestOutcome, TestResult

_MAX_LINE_BYTES = 1024 * 1024
_MAX_RESULTS = 200_000
_TEXT_LIMIT = 16_000
_MESSAGE_LIMIT = 2_000
_MAX_LISTED = 100
_MARK = b"el1 "
_DIGEST = "sha256"
_STACK_LINE = re.compile(r'\s+File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>.+)')


class RecordReader:
    """Takes the record stream in pieces and keeps what it said.

    Lines that are not records are looked at only for the stacks a hang leaves behind; whatever
    else they are is ignored.
    """

    def __init__(
        self,
        key: str,
        root: str,
        on_result: Callable[[TestResult], None] | None = None,
        *,
        canaries: Collection[str] = (),
        hidden: Collection[str] = (),
    ) -> None:
        """`hidden` are words in the names of canaries; whatever holds one is shown without it."""
        self._key = key.encode()
        self._canaries = canaries
        self._hidden = hidden
        self._next = 0
        self._root = root.rstrip("/") + "/"
        self._on_result = on_result
        self._rest = b""
        self._results: dict[str, TestResult] = {}
        self._stacks: list[list[Frame]] = []
        self.collected: dict[str, None] = {}
        self.running: str | None = None
        """The test that started last and has not ended."""
        self.end_code: int | None = None
        """The runner's exit code, once it reported its own end."""
        self.forged = 0
        """Records that somebody else made, or sent a second time."""
        self.lost = 0
        """Records that are missing between those that came."""
        self.swapped: list[str] = []
        """Changes to the tests that the reporter noticed while they ran, one sentence each."""
        self.told_twice: set[str] = set()
        """Tests that were reported more than once, not always with the same outcome."""
        self.canary_outcomes: dict[str, TestOutcome] = {}
        """Outcomes of the canaries, by id; canaries are not among the results."""
        self.why = ""
        """The runner's own words for an end that its exit code does not explain."""
        self.deselected = 0
        """Tests that the project's own options left out."""
        self.listed_only = False
        """The project's own options only list the tests."""
        self.uncompiled = ""
        """The file that declares an extension which nothing in the box could compile."""
        self.setup_note = ""
        self.setup_failed = False

    @property
    def results(self) -> tuple[TestResult, ...]:
        """Every result so far, in the order the tests first ended."""
        return tuple(self._results.values())

    @property
    def stack(self) -> tuple[Frame, ...]:
        """Frames of the project's code shortly before the time limit, outermost first."""
        return tuple(reversed(next((stack for stack in reversed(self._stacks) if stack), [])))

    def feed(self, data: bytes) -> None:
        """Take in more of the stream."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            self._rest = b""
        for line in lines:
            self._line(line)

    def _line(self, line: bytes) -> None:
        seal, _, body = (
            line[len(_MARK) :].partition(b" ") if line.startswith(_MARK) else (b"", b"", line)
        )
        record = _parsed(body)
        if record is None:
            self._stack_line(line.decode("utf-8", "replace"))
            return
        number = record.get("n")
        genuine = hmac.compare_digest(seal, hmac.new(self._key, body, _DIGEST).hexdigest().encode())
        if not genuine or not isinstance(number, int) or number < self._next:
            self.forged += 1
            return
        self.lost += number - self._next
        self._next = number + 1
        self._record(record)

    def _stack_line(self, line: str) -> None:
        if "(most recent call first)" in line:
            self._stacks.append([])
        elif self._stacks and (match := _STACK_LINE.match(line)):
            file = match["file"]
            if file.startswith(self._root) and "-packages/" not in file:
                inside = file.removeprefix(self._root)
                self._stacks[-1].append(
                    Frame(file=inside, line=int(match["line"]), function=match["function"])
                )

    def _record(self, record: dict[str, Any]) -> None:
        match record.get("kind"):
            case "collected" if isinstance(record.get("ids"), list):
                ids = map(_id, record["ids"][:_MAX_RESULTS])
                self.collected |= dict.fromkeys(i for i in ids if not self._is_canary(i))
            case "start":
                self.running = _id(record.get("id"))
            case "result" if len(self._results) < _MAX_RESULTS:
                self._result(record)
            case "setup":
                self.setup_note = _text(record.get("note"), _TEXT_LIMIT)
                self.setup_failed = bool(record.get("fatal"))
                self.uncompiled = _inside(record.get("uncompiled"))
            case "tampered" if len(self.swapped) < _MAX_LISTED:
                note = _text(record.get("note"), _MESSAGE_LIMIT)
                self.swapped.append(without_names(note, self._hidden))
            case "ending":
                self.why = without_names(_text(record.get("why"), _MESSAGE_LIMIT), self._hidden)
                self.deselected = _number(record.get("deselected"))
                self.listed_only = record.get("listed_only") is True
            case "end":
                self.end_code = _number(record.get("exit_code"))
            case _:
                return

    def _result(self, record: dict[str, Any]) -> None:
        result = parse_result(record)
        if result is None:
            return
        if self.running == result.id:
            self.running = None
        if result.id in self._canaries:
            self.canary_outcomes[result.id] = result.outcome
            return
        if self._is_canary(result.id):
            return
        result = self._shown(result)
        if needs_network(result):
            result = replace(result, outcome=TestOutcome.NEEDS_NETWORK)
        if self._is_outweighed(result):
            return
        self._results[result.id] = result
        if self._on_result is not None:
            self._on_result(result)

    def _is_canary(self, test_id: str) -> bool:
        return test_id in self._canaries or any(word in test_id for word in self._hidden)

    def _shown(self, result: TestResult) -> TestResult:
        """Leave out what names a canary: a fixture that fails may list the tests there are."""
        return replace(
            result,
            message=without_names(result.message, self._hidden),
            detail=without_names(result.detail, self._hidden),
            frames=tuple(frame for frame in result.frames if not self._is_canary(frame.file)),
            file="" if self._is_canary(result.file) else result.file,
        )

    def _is_outweighed(self, result: TestResult) -> bool:
        """True if an earlier result of the same name is worse: the worse one is the answer."""
        earlier = self._results.get(result.id)
        if earlier is None or earlier.outcome is result.outcome:
            return False
        self.told_twice.add(result.id)
        return earlier.outcome.is_red and not result.outcome.is_red

    def add_unfinished(self, message: str) -> None:
        """Give the test that was running a result that says why it has no other."""
        if self.running is None or self._is_canary(self.running):
            return
        file = self.running.partition("::")[0] if "::" in self.running else ""
        result = TestResult(
            id=self.running,
            outcome=TestOutcome.ERROR,
            message=message,
            file=file,
            frames=self.stack,
            detail="\n".join(
                f'  File "{frame.file}", line {frame.line}, in {frame.function}'
                for frame in self.stack
            ),
        )
        if self.stack:
            result = replace(result, file=self.stack[-1].file, line=self.stack[-1].line)
        self._results[result.id] = result
        self.running = None
        if self._on_result is not None:
            self._on_result(result)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return a record, None for anything else that may stand on a line."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and "kind" in record else None


def parse_result(record: dict[str, Any]) -> TestResult | None:
    """Return the result a record describes, None if it describes none."""
    test_id = _id(record.get("id"))
    try:
        outcome = TestOutcome(str(record.get("outcome")))
    except ValueError:
        return None
    if not test_id:
        return None
    return TestResult(
        id=test_id,
        outcome=outcome,
        message=_text(record.get("message"), _MESSAGE_LIMIT),
        exception=_text(record.get("exception"), _MESSAGE_LIMIT),
        file=_inside(record.get("file")),
        line=_number(record.get("line")),
        frames=_frames(record.get("frames")),
        detail=_text(record.get("detail"), _TEXT_LIMIT),
        duration_s=_duration(record.get("duration")),
        was_ended=record.get("ended") is True,
        had_less_time=record.get("had_less") is True,
    )


def _id(value: object) -> str:
    """Return an id as the reporter told it; the same cut for each kind of record."""
    return _text(value, _MESSAGE_LIMIT)


def _text(value: object, limit: int) -> str:
    return value[:limit] if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _duration(value: object) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e9 else 0.0  # noqa: PLR2004


def _inside(value: object) -> str:
    """Accept only a path that stays inside the project: others act on it."""
    if not isinstance(value, str) or "\0" in value or len(value) > _MESSAGE_LIMIT:
        return ""
    path = PurePosixPath(value)
    return "" if path.is_absolute() or ".." in path.parts else value


def _frames(value: object) -> tuple[Frame, ...]:
    if not isinstance(value, list):
        return ()
    frames: list[Frame] = []
    for item in value[:_MAX_LISTED]:
        match item:
            case [str(file), int(line), str(function)] if _inside(file):
                frames.append(Frame(file=file, line=line, function=function[:200]))
            case _:
                continue
    return tuple(frames)
