"""Reads the records of the search in the box, tolerant of values of any kind."""

from __future__ import annotations

import hmac
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.search.values import LineCounts, Searched, TrialResult, UsualRun

_MOST_LINES = 200_000
_MOST_TESTS = 1_000_000
_MOST_GROUPS = 5000
"""Different groups of red tests that run a line; each is a set in memory."""
_TEXT = 500
_LONGEST_S = 86400.0
_MOST_MODULES = 5000
_MOST_TOLD = 60
_MAX_LINE_BYTES = 1024 * 1024
_MARK = b"el1 "
_DIGEST = "sha256"

OnRecord = Callable[[dict[str, Any]], None]
OnTrial = Callable[[int, TrialResult], None]


class TrialReader:
    """Takes the record stream in pieces; `searched` has what it said so far."""

    def __init__(self, key: str, on_trial: OnTrial | None = None) -> None:
        self.feed = SignedLines(key, self._record).feed
        self._on_trial = on_trial
        self._lines: dict[tuple[str, int], tuple[int, int, int]] = {}
        self._results: dict[int, TrialResult] = {}
        self._usual: dict[str, Any] | None = None
        self._why = "the box ended before the tests did"

    @property
    def searched(self) -> Searched:
        """Everything so far, as one value."""
        if self._usual is None:
            return Searched(unsearchable=self._why)
        return Searched(
            red=_count(self._usual.get("red")),
            green=_count(self._usual.get("green")),
            lines=_counted(self._lines, self._usual.get("red_ids")),
            results=self._results,
            usual=None if self._usual.get("slowed") else _usual_run(self._usual),
        )

    def _record(self, record: dict[str, Any]) -> None:
        match record.get("kind"):
            case "lines" if isinstance(record.get("lines"), list):
                for item in record["lines"]:
                    self._line(item)
            case "usual":
                self._usual = record
            case "trial" if isinstance(record.get("index"), int):
                self._trial(record)
            case "unsearchable" | "setup" if not record.get("ok", False):
                self._why = str(record.get("why") or record.get("note"))[-_TEXT:]
            case _:
                return

    def _line(self, item: object) -> None:
        match item:
            case [str(path), int(line), int(red), int(green), int(which)]:
                if len(self._lines) < _MOST_LINES and _is_possible(line, red, green, which):
                    self._lines[path, line] = red, green, which
            case _:
                return

    def _trial(self, record: dict[str, Any]) -> None:
        result = TrialResult(
            solves_red=record.get("red") is True,
            breaks_none=record.get("all") is True,
            message=str(record.get("message") or record.get("fault") or "")[:_TEXT],
            late=record.get("late") is True,
            left=_count(record.get("left")),
        )
        self._results[record["index"]] = result
        if self._on_trial is not None:
            self._on_trial(record["index"], result)


def _counted(
    lines: Mapping[tuple[str, int], tuple[int, int, int]], red_ids: object
) -> Mapping[tuple[str, int], LineCounts]:
    """The counts of each line, with the ids of the red tests in place of their bits.

    Where there are too many groups of them, those of the groups that came last are not told.
    """
    ids = red_ids if isinstance(red_ids, list) else []
    bits = [(1 << n, name) for n, name in enumerate(ids[:_MOST_TOLD]) if isinstance(name, str)]
    groups = itertools.islice(dict.fromkeys(which for _, _, which in lines.values()), _MOST_GROUPS)
    tests = {n: frozenset(name for bit, name in bits if n & bit) for n in groups}
    nobody = frozenset[str]()
    return {
        place: LineCounts(red=red, green=green, by=tests.get(which, nobody))
        for place, (red, green, which) in lines.items()
    }


def _is_possible(line: int, red: int, green: int, which: int) -> bool:
    """True for numbers that a line can have; what runs in the box may have written any others."""
    if any(isinstance(number, bool) for number in (line, red, green, which)):
        return False
    counted = 0 < red <= _MOST_TESTS and 0 <= green <= _MOST_TESTS
    return counted and 0 <= which < 1 << _MOST_TOLD


def _usual_run(record: dict[str, Any]) -> UsualRun | None:
    seconds = [record.get(name) for name in ("red_s", "all_s")]
    modules = record.get("modules")
    names = modules if isinstance(modules, list) else []
    match seconds:
        case [float(red_s), float(all_s)] if 0 <= red_s < _LONGEST_S and 0 <= all_s < _LONGEST_S:
            kept = (n for n in names if isinstance(n, str) and len(n) <= _TEXT)
            return UsualRun(red_s=red_s, all_s=all_s, modules=tuple(kept)[:_MOST_MODULES])
        case _:
            return None


def _count(value: object) -> int:
    return value if type(value) is int and 0 < value <= _MOST_TESTS else 0


class SignedLines:
    """Takes a stream in pieces and hands on each record once that was signed with the key."""

    def __init__(self, key: str, on_record: OnRecord) -> None:
        self._key = key.encode()
        self._on_record = on_record
        self._next = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take in more of the stream."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            self._rest = b""
        for line in lines:
            if line.startswith(_MARK):
                self._line(line)

    def _line(self, line: bytes) -> None:
        seal, _, body = line[len(_MARK) :].partition(b" ")
        if not hmac.compare_digest(seal, hmac.new(self._key, body, _DIGEST).hexdigest().encode()):
            return
        try:
            record = json.loads(body)
        except (ValueError, RecursionError):
            return
        number = record.get("n") if isinstance(record, dict) else None
        if isinstance(number, int) and number >= self._next:
            self._next = number + 1
            self._on_record(record)
