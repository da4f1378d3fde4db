"""Past sessions as lines and as Markdown, from the records of their files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.events import ReplyUnusable
from agent.fixing.context import fenced
from agent.text import display_safe
from tui.show.words import closing_line, unusable_line

_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLine:
    """One line of a session that holds the words that were looked for."""

    at: float
    """Seconds since the epoch."""
    line: str


def line_of(record: Mapping[str, object]) -> str:  # noqa: C901, PLR0911 - one line for each kind
    """One record as it is shown; empty for one that says nothing to people."""
    match record:
        case {"event": "turn_started", "text": str(text)}:
            return f"\n> {text}"
        case {"event": "message", "role": "assistant", "content": str(text)}:
            return text
        case {"event": "edit_applied", "path": str(path)}:
            return f"changed: {path}"
        case {"event": "edit_reverted", "path": str(path), "reason": str(reason)}:
            return f"put back: {path} ({reason})"
        case {"event": "stage_started", "text": str(text)}:
            return f"-- {text}"
        case {"event": "notice", "text": str(text)}:
            return f"note: {text}"
        case {"event": "reply_unusable", "reason": str(reason)}:
            return unusable_line(ReplyUnusable(reason))
        case {"event": "tests_finished", "counts": dict(counts)}:
            return "tests: " + ", ".join(f"{number} {name}" for name, number in counts.items())
        case {"event": "context_compacted", "summary": str(text)}:
            return f"the conversation was replaced by a summary:\n{text}"
        case {"event": "rewound", "to": int(number)}:
            return f"files and conversation went back to before turn {number}"
        case {"event": "turn_finished" | "fix_finished", "reason": str(reason)}:
            return closing_line(reason)
        case _:
            return ""


def found_lines(
    records: Iterable[Mapping[str, object]], words: Sequence[str]
) -> Iterator[FoundLine]:
    """The lines of a session that hold all of the words, whatever their case."""
    wanted = [word.casefold() for word in words]
    for record in records:
        at = record.get("t")
        for line in line_of(record).splitlines():
            if all(word in line.casefold() for word in wanted):
                when = at if isinstance(at, int | float) else 0.0
                yield FoundLine(at=float(when), line=" ".join(line.split())[:_LONGEST])


def moment(seconds: float) -> str:
    """A moment in the person's own time zone, to the minute."""
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):
        return "(no time)"


def markdown_of(  # noqa: C901 - one part for each kind
    session: str, records: Iterable[Mapping[str, object]]
) -> Iterator[str]:
    """A session as Markdown, part by part: requests, replies, diffs, tests, endings.

    What the model was shown besides the request (files, the map) is left out; it is in the JSON lines.
    """
    yield f"# Session {session}\n"
    number, told = 0, ("", "")
    for record in records:
        match record:
            case {"event": "session_started", "t": int() | float() as at}:
                yield f"Begun {moment(at)}.\n"
            case {"event": "turn_started", "text": str(text)}:
                number += 1
                quoted = "\n".join(f"> {line}".rstrip() for line in _safe(text).splitlines())
                yield f"## Request {number}\n\n{quoted}\n"
            case {"event": "edit_applied", "path": str(path), "diff": str(diff)}:
                yield f"Changed {_safe(path)}:\n\n{fenced(_safe(diff), 'diff')}\n"
            case {"event": "reply_finished" as kind, "text": str(text)} | {
                "event": "message" as kind,
                "role": "assistant",
                "content": str(text),
            }:
                # Most replies are in both records, in either order; a stopped one is in one of them.
                twice = told[0] not in ("", kind) and told[1] == text
                told = ("", "") if twice else (kind, text)
                if not twice:
                    yield f"{_closed(_safe(text))}\n"
            case {"event": "stage_started"}:
                continue
            case _:
                if said := _safe(line_of(record)).strip():
                    yield f"*{' '.join(said.split())}*\n"


def _safe(text: str) -> str:
    return display_safe(text)


def _closed(text: str) -> str:
    """A reply whose last fence is closed, so that it does not swallow what follows."""
    opened = ""
    for line in text.splitlines():
        mark = line.strip()
        if not opened and mark.startswith("```"):
            opened = "`" * (len(mark) - len(mark.lstrip("`")))
        elif opened and mark.startswith(opened) and not mark.strip("`"):
            opened = ""
    return f"{text}\n{opened}" if opened else text
