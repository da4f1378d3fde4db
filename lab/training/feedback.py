"""Training examples of the article's experiments: an action at a prompt, and the same prompt with feedback.

`python -P -m lab.training.feedback JOB_DIR` learns from those of a job folder: as
`learning.training.worker`, but each example brings its own teacher context and control.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lab.prompt_files import words
from learning.evaluation.rows import read_json_lines
from learning.records import Message
from learning.training.chat_format import Format
from learning.training.job import ExampleKind, TrainingJob
from learning.training.prepare import Prepared, Usable
from learning.training.worker import main, run

FEEDBACK_WORKER = "lab.training.feedback"
NEUTRAL = "article_neutral"
TOO_LONG = "too long"
_EXAMPLES = "feedback.jsonl"
_MOST_CHARACTERS = 1_600
"""Longest text of a model or a test in a note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackExample:
    """One action of the model, with the teacher context and the control to learn from."""

    id: str
    messages: tuple[Message, ...]
    action_ids: tuple[int, ...]
    """The tokens that the model chose at the prompt."""
    feedback: tuple[Message, ...]
    """The same conversation with the feedback in it."""
    control: tuple[Message, ...]
    """The same conversation with a note that says nothing."""
    more_feedback: tuple[tuple[Message, ...], ...] = ()
    """The same feedback in other frames, for a rule with several teacher contexts."""
    begun: str = ""
    """Words with which the answer begins in the teacher context, before the action."""


def with_note(messages: Sequence[Message], note: str) -> tuple[Message, ...]:
    """The conversation with the note at the end of its last message."""
    *earlier, last = messages
    return (*earlier, Message(role=last.role, content=last.content + note))


def example_with_note(
    id_: str, messages: tuple[Message, ...], action_ids: tuple[int, ...], note: str, *more: str
) -> FeedbackExample:
    """An example whose teacher context ends with a note; the control ends with the neutral note.

    `more` are notes with the same content, each for a further teacher context.
    """
    return FeedbackExample(
        id=id_,
        messages=messages,
        action_ids=action_ids,
        feedback=with_note(messages, note),
        control=with_note(messages, words(NEUTRAL)),
        more_feedback=tuple(with_note(messages, each) for each in more),
    )


def clipped(text: str) -> str:
    """The text, its middle left out if it is long: the reason of a failure stands at the end."""
    text = text.strip()
    if len(text) <= _MOST_CHARACTERS:
        return text
    half = _MOST_CHARACTERS // 2
    return f"{text[:half]}\n...\n{text[-half:]}"


def write_feedback(folder: Path, examples: Sequence[FeedbackExample]) -> None:
    """Write the examples into a job folder, complete or not at all."""
    temporary = folder / f".tmp-{_EXAMPLES}"
    temporary.write_text("".join(f"{line}\n" for line in feedback_lines(examples)), "utf-8")
    temporary.replace(folder / _EXAMPLES)


def feedback_lines(examples: Sequence[FeedbackExample]) -> list[str]:
    """Each example as one line of JSON; a field that came later is left out where it is empty."""
    records = (asdict(example) for example in examples)
    return [
        json.dumps({k: v for k, v in record.items() if k != "more_feedback" or v}, sort_keys=True)
        for record in records
    ]


def read_usable_feedback(folder: Path, chat: Format, job: TrainingJob) -> Usable:
    """The examples of a job folder as tokens; an example whose prompt fills the window is skipped."""
    examples = [example_from(record) for record in read_json_lines(folder / _EXAMPLES)]
    windows = {each.id: window_of(each, chat, job.max_tokens) for each in examples}
    used = {id_: window for id_, window in windows.items() if window is not None}
    skipped = tuple(id_ for id_ in windows if id_ not in used)
    return Usable(
        prepared=tuple(used.values()),
        experience_ids=tuple(used),
        skipped_ids=skipped,
        skipped={TOO_LONG: len(skipped)} if skipped else {},
    )


def window_of(example: FeedbackExample, chat: Format, max_tokens: int) -> Prepared | None:
    """The example as tokens, its action cut to `max_tokens`; None if the prompt fills them."""
    prompt = tuple(chat.encode(example.messages))
    action = example.action_ids[: max(0, max_tokens - len(prompt))]
    if not action:
        return None
    return Prepared(
        kind=ExampleKind.EVIDENCE,
        ids=(*prompt, *action),
        positions=tuple(range(len(prompt), len(prompt) + len(action))),
        teacher_contexts=tuple(
            (*chat.encode(each), *chat.encode_text(example.begun), *action)
            for each in (example.feedback, *example.more_feedback)
        ),
        controls=((*chat.encode(example.control), *action),),
        trained_cut=len(example.action_ids) - len(action),
    )


def example_from(record: Mapping[str, Any]) -> FeedbackExample:
    """The example that `feedback_lines` wrote as this record."""
    chats = {
        name: tuple(Message(**message) for message in record[name])
        for name in ("messages", "feedback", "control")
    }
    return FeedbackExample(
        id=record["id"],
        action_ids=tuple(record["action_ids"]),
        begun=record.get("begun", ""),
        more_feedback=tuple(
            tuple(Message(**message) for message in each)
            for each in record.get("more_feedback", ())
        ),
        **chats,
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], work=partial(run, read=read_usable_feedback)))
