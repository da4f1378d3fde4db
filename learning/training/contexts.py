"""What the teacher sees beside the student's prompt: a short note with the evidence.

The note states what was observed and never quotes the failing attempt: a teacher that sees the
attempt repeats it (arXiv 2606.11173). Other kinds of evidence and their views come in here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from learning.records import Evidence, Message, Tier

_FRAME = Path(__file__).with_name("note.md")
_MAX_FACTS = 2
_LEARNABLE = (Tier.HARNESS, Tier.USER)
_MIN_QUOTED = 8
"""Shorter lines (`else:`, `return x`) prove nothing when they occur in both texts."""
_MIN_MESSAGE = 40

_VOLATILE = (
    (re.compile(r"(?<![\w.])/(?:[\w.@+-]{1,100}/){1,30}([\w.@+-]{1,100})"), r"\1"),
    (re.compile(r" at 0x[0-9a-fA-F]{4,16}"), ""),
    (re.compile(r"\b0x[0-9a-fA-F]{6,16}\b"), "0x0"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?Z?"), "[time]"),
    (re.compile(r"\b[0-9a-f]{32,64}\b"), "[id]"),
)


def evidence_note(
    evidence: Sequence[Evidence], *, attempt: str, budget: int, count: Callable[[str], int]
) -> str:
    """The note for this evidence within `budget` tokens, or "" if nothing may be said.

    At most two facts, the shortest; only from our harness or the user; without lines of the
    attempt, absolute paths, addresses or times.
    """
    facts = [clean for fact in evidence if (clean := _clean(fact, attempt)) is not None]
    facts.sort(key=lambda fact: len(_describe(fact)))
    facts = facts[:_MAX_FACTS]
    while facts:
        note = _framed(map(_describe, facts))
        if count(note) <= budget:
            return note
        facts = _shortened(facts)
    return ""


def with_note(messages: Sequence[Message], note: str) -> tuple[Message, ...]:
    """The conversation with the note at the end of the last message, as part of it."""
    *earlier, last = messages
    noted = dataclasses.replace(last, content=f"{last.content}\n\n{note}")
    return (*earlier, noted)


def _framed(bodies: Iterable[str]) -> str:
    frame = _FRAME.read_text(encoding="utf-8").rstrip("\n")
    return frame.replace("{body}", "\n".join(bodies))


def _clean(fact: Evidence, attempt: str) -> Evidence | None:
    """The fact without what changes from run to run or quotes the attempt; None if untrusted."""
    if fact.tier not in _LEARNABLE or not (fact.exception or fact.message):
        return None
    quoted = {line.strip() for line in attempt.splitlines() if len(line.strip()) >= _MIN_QUOTED}
    lines = [line for line in fact.message.splitlines() if not _quotes(line, quoted)]
    return dataclasses.replace(
        fact,
        subject=_stable(fact.subject),
        message=_stable("\n".join(lines)).strip(),
        file=_stable(fact.file),
    )


def _quotes(line: str, quoted: set[str]) -> bool:
    # pytest marks the failing source line with `>` and prints `E` before its own words.
    return re.sub(r"^[>E]\s{1,20}", "", line.strip()).strip() in quoted


def _stable(text: str) -> str:
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return text


def _describe(fact: Evidence) -> str:
    message = fact.message
    if fact.exception and not message.startswith(fact.exception):
        message = f"{fact.exception}: {message}" if message else fact.exception
    place = f"\n  at {fact.file}:{fact.line}" if fact.file else ""
    function = f", in {fact.function}" if place and fact.function else ""
    return f"{fact.subject or 'the run'} failed: {message}{place}{function}"


def _shortened(facts: list[Evidence]) -> list[Evidence]:
    """One step smaller: first fewer facts, then messages without their middle, then none."""
    if len(facts) > 1:
        return facts[:1]
    message = facts[0].message
    if len(message) <= _MIN_MESSAGE:
        return []
    kept = len(message) // 3
    return [dataclasses.replace(facts[0], message=f"{message[:kept]} ... {message[-kept:]}")]
