"""An earlier session as entries, so that a resumed conversation looks as it did.

Records of another version of elagent that this version does not know are skipped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agent.events import (
    AttemptStarted,
    EditApplied,
    EditReverted,
    Event,
    FixFinished,
    LearnFinished,
    Notice,
    ReplyFinished,
    ReplyUnusable,
    TestsFinished,
    TurnFinished,
)
from agent.reports import RunStatus, TestOutcome, TestReport, TestResult, VerdictTrust
from tui.app.transcript.entries import Entry, EventFold, SaidEntry

Record = Mapping[str, Any]

_PLAIN: Mapping[str, type[Any]] = {
    "reply_finished": ReplyFinished,
    "edit_applied": EditApplied,
    "edit_reverted": EditReverted,
    "reply_unusable": ReplyUnusable,
    "notice": Notice,
    "attempt_started": AttemptStarted,
    "fix_finished": FixFinished,
    "learn_finished": LearnFinished,
}


def entries_of(records: Iterable[Record]) -> list[Entry]:
    """Return the entries in order; those before a /clear are left out."""
    entries: list[Entry] = []
    fold = EventFold()
    for record in records:
        match record:
            case {"event": "turn_started", "text": str(text)}:
                entries.append(SaidEntry(text))
            case {"event": "conversation_cleared"}:
                entries.clear()
            case _:
                event = _event_of(record)
                entry = fold.add(event) if event is not None else None
                if entry is not None:
                    entries.append(entry)
    return entries


def _event_of(record: Record) -> Event | None:
    name = record.get("event")
    makers: Mapping[str, Callable[[Record], Event]] = {
        "tests_finished": _tests,
        "turn_finished": lambda r: TurnFinished(str(r["reason"])),
    }
    try:
        if name in _PLAIN:
            kind = _PLAIN[str(name)]
            known = {field.name for field in dataclasses.fields(kind)}
            event: Event = kind(**{key: record[key] for key in record if key in known})
            return event
        return makers[str(name)](record) if name in makers else None
    except (KeyError, TypeError, ValueError):
        return None


def _tests(record: Record) -> TestsFinished:
    report = record["report"]
    results = tuple(
        TestResult(
            id=str(result["id"]),
            outcome=TestOutcome(result["outcome"]),
            message=str(result["message"]),
            file=str(result["file"]),
            line=int(result["line"]),
        )
        for result in report["results"]
    )
    return TestsFinished(
        TestReport(
            status=RunStatus(report["status"]),
            results=results,
            runner=str(report["runner"]),
            trust=VerdictTrust(report["trust"]),
            duration_s=float(report["duration_s"]),
            output=str(report["output"]),
        ),
        tuple(str(test_id) for test_id in record["flaky"]),
    )
