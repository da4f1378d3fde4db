"""What an experiment learns from: an action at a prompt, and the same prompt with feedback.

Nothing here decides what the feedback is; see `learning.training.teacher` for what the frozen
weights make of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template

from learning.records import Message
from learning.training.job import ExampleKind
from learning.training.prepare import Format, Prepared

NEUTRAL = "article_neutral"
_MOST_CHARACTERS = 1_600
"""Longest text of others in a note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackExample:
    """One experience of an experiment."""

    id: str
    messages: tuple[Message, ...]
    action_ids: tuple[int, ...]
    """What the model did there, token by token."""
    feedback: tuple[Message, ...]
    """The same conversation with the feedback in it."""
    control: tuple[Message, ...]
    """The same conversation with a note that says nothing."""


def words(name: str, **values: str) -> str:
    """One of the notes of the experiments, with its values filled in."""
    file = resources.files("lab") / "prompts" / f"{name}.md"
    return Template(file.read_text(encoding="utf-8")).safe_substitute(values)


def with_note(messages: Sequence[Message], note: str) -> tuple[Message, ...]:
    """The conversation with the note at the end of its last message."""
    *earlier, last = messages
    return (*earlier, Message(role=last.role, content=last.content + note))


def example_with_note(
    id_: str, messages: tuple[Message, ...], action_ids: tuple[int, ...], note: str
) -> FeedbackExample:
    """A lesson whose control is the neutral note."""
    return FeedbackExample(
        id=id_,
        messages=messages,
        action_ids=action_ids,
        feedback=with_note(messages, note),
        control=with_note(messages, words(NEUTRAL)),
    )


def clipped(text: str) -> str:
    """A text of bearable length, its end kept: there the reason stands."""
    text = text.strip()
    if len(text) <= _MOST_CHARACTERS:
        return text
    half = _MOST_CHARACTERS // 2
    return f"{text[:half]}\n...\n{text[-half:]}"


def prepared(
    lessons: Sequence[FeedbackExample], chat: Format, *, max_tokens: int
) -> list[Prepared]:
    """Token windows; a lesson whose prompt leaves no room for an action is left out."""
    windows = []
    for lesson in lessons:
        prompt = tuple(chat.encode(lesson.messages))
        action = lesson.action_ids[: max(0, max_tokens - len(prompt))]
        if not action:
            continue
        windows.append(
            Prepared(
                kind=ExampleKind.EVIDENCE,
                ids=(*prompt, *action),
                positions=tuple(range(len(prompt), len(prompt) + len(action))),
                teacher_contexts=((*chat.encode(lesson.feedback), *action),),
                controls=((*chat.encode(lesson.control), *action),),
                trained_cut=len(lesson.action_ids) - len(action),
            )
        )
    return windows


def lessons_digest(lessons: Sequence[FeedbackExample]) -> str:
    """Digest of everything that is learned from."""
    return hashlib.sha256(repr(tuple(lessons)).encode()).hexdigest()
