"""Lessons: verified repairs of this repository as short text, found by the error that they fixed.

Only the lines that the harness and the diff of the repair give go in: no README, no web page, no
words of a dependency.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agent.advice.signature import ErrorSignature, likeness, signature_of
from agent.fixing.context import estimate_tokens
from learning.evidence.words import own_words
from learning.records import Evidence, EvidenceKind, Experience, Tier, Verdict

MOST_EXPERIENCES = 500
_MOST_CHANGED_LINES = 8
_LINE_CAP = 120
_ERROR_CAP = 200
_FAILING = re.compile(r"^Failing test: .{1,400}\n(.{1,600})$", re.MULTILINE)
BUDGET_TOKENS = 240
MOST_HINTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairLesson:
    """One verified repair."""

    id: str
    """The experience that it comes from."""
    error: str
    """The error in one line."""
    signature: ErrorSignature
    path: str
    change: str
    """The changed lines, the old ones with `-`, the new ones with `+`."""

    @property
    def text(self) -> str:
        return f"{self.error}\nIn {self.path} this was the repair:\n{self.change}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """Lessons and facts found for one error."""

    text: str = ""
    ids: tuple[str, ...] = ()
    """Experiences that the text comes from."""


def lessons_of(experiences: Iterable[Experience]) -> tuple[RepairLesson, ...]:
    """One lesson for each repair that the harness verified, given newest first; equal ones once."""
    by_id = {item.id: item for item in experiences}
    found: dict[str, RepairLesson] = {}
    for item in by_id.values():
        lesson = _lesson(item, by_id.get(item.fixes))
        if lesson is not None:
            found.setdefault(lesson.text, lesson)
    return tuple(found.values())


def hints_for(
    errors: Sequence[tuple[str, str]],
    lessons: Sequence[RepairLesson],
    *,
    budget_tokens: int = BUDGET_TOKENS,
    count: Callable[[str], int] = estimate_tokens,
) -> Hints:
    """The lessons that fit errors, each given as exception and message, the most alike first."""
    wanted = [signature_of(exception, message) for exception, message in errors]
    scored = [
        (max((likeness(item, lesson.signature) for item in wanted), default=0.0), lesson)
        for lesson in lessons
    ]
    ranked = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: -pair[0])
    parts: list[str] = []
    ids: list[str] = []
    for _, lesson in ranked:
        cost = count(lesson.text)
        if len(ids) < MOST_HINTS and cost <= budget_tokens:
            parts.append(lesson.text)
            ids.append(lesson.id)
            budget_tokens -= cost
    if not ids:
        return Hints()
    head = "Earlier in this project a failure like this one was repaired:"
    return Hints(text="\n".join([head, *parts]), ids=tuple(ids))


def _lesson(item: Experience, failed: Experience | None) -> RepairLesson | None:
    if item.verdict is not Verdict.PASS or not item.trust.may_train or not item.path:
        return None
    error = _error(item, failed)
    change = _changed_lines(item.before, item.after)
    if not error or not change:
        return None
    return RepairLesson(
        id=item.id,
        error=_in_own_words(error),
        signature=signature_of("", error),
        path=item.path,
        change=change,
    )


def _error(item: Experience, failed: Experience | None) -> str:
    """The error that the repair fixed: from its prompt, else from the failing step's tests."""
    for message in reversed(item.messages):
        if match := _FAILING.search(message.content):
            return match[1][:_ERROR_CAP]
    facts = failed.evidence if failed is not None else ()
    said = next((fact for fact in facts if _is_error(fact)), None)
    if said is None:
        return ""
    line = said.message.split("\n", 1)[0]
    text = line if line.startswith(said.exception) else f"{said.exception}: {line}"
    return text[:_ERROR_CAP]


def _in_own_words(error: str) -> str:
    """The exception, and of its message what the interpreter or the harness itself says."""
    exception, mark, message = error.partition(": ")
    if not mark or not exception.isidentifier():
        exception, message = "", error
    said = Evidence(kind=EvidenceKind.TEST_FAILURE, tier=Tier.HARNESS, subject="", message=message)
    return ": ".join(part for part in (exception, own_words(said)) if part) or "A test failed"


def _is_error(fact: Evidence) -> bool:
    kinds = (EvidenceKind.TEST_FAILURE, EvidenceKind.TRACEBACK)
    return fact.kind in kinds and fact.tier is Tier.HARNESS


def _changed_lines(before: str, after: str) -> str:
    """The lines that a repair took out and put in; empty if they are too many for a lesson."""
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    changed = [
        line[:_LINE_CAP]
        for line in diff
        if line[:1] in "+-" and not line.startswith(("+++", "---")) and line[1:].strip()
    ]
    return "\n".join(changed) if len(changed) <= _MOST_CHANGED_LINES else ""
