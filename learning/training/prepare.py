"""Examples -> token windows: which ids go in, which of them are trained, what the teacher reads.

Token-exact: the student's ids are those that were recorded. Nothing here imports torch.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from learning.model.chat import TextStream
from learning.records import Experience, Message
from learning.training.contexts import evidence_note, with_note
from learning.training.job import Example, ExampleKind

_KNOWS_TOO_MUCH = re.compile(
    r"(?i)as the (?:error|traceback|note) says|previous attempt|the error above|fixed the previous"
)


class Format(Protocol):
    """The model's own way to spell a conversation; `learning.model.chat.ChatFormat` is one."""

    def encode(self, messages: Sequence[Message]) -> list[int]: ...

    def encode_text(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One example as token ids."""

    kind: ExampleKind
    ids: tuple[int, ...]
    """The student's window: the end of the prompt, then the action up to its last trained token."""
    positions: tuple[int, ...]
    """Indices into `ids` of the trained tokens."""
    teacher_ids: tuple[int, ...] = ()
    """The same window with the note in it; ends with the same action tokens."""
    weight: float = 1.0
    history_cut: int = 0
    """Prompt tokens left out on the left."""
    trained_cut: int = 0
    """Action tokens that were to be trained and did not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An example that cannot be learned from, and why."""

    reason: str


def prepare(
    example: Example, chat: Format, *, max_tokens: int, note_tokens: int
) -> Prepared | Skipped:
    """The token window of an example, or the reason why there is none."""
    prompt = example.step.action.prompt_ids
    action = (example.fix or example.step).action.token_ids
    if not prompt or not action:
        return Skipped(reason="recorded without token ids")
    if example.kind is ExampleKind.EVIDENCE:
        noted = _noted_prompt(example.step, chat, note_tokens)
        if isinstance(noted, Skipped):
            return noted
        return _window(example, prompt, action, range(len(action)), max_tokens, noted=noted)
    trained = changed_tokens(example, chat)
    if isinstance(trained, Skipped):
        return trained
    return _window(example, prompt, action, trained, max_tokens)


def changed_tokens(example: Example, chat: Format) -> Sequence[int] | Skipped:
    """Indices of the action's tokens that spell lines which the fix added or changed."""
    fix = example.fix or example.step
    text, spans = _spans(fix.action.token_ids, chat)
    lines = text.splitlines(keepends=True)
    changed = _changed_lines(example.step.before, fix.after, lines)
    if any(_KNOWS_TOO_MUCH.search(lines[number]) for number in changed):
        return Skipped(reason="mentions what it should not know")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    wanted = [(starts[number], starts[number + 1]) for number in changed]
    trained = [
        index
        for index, (start, end) in enumerate(spans)
        if any(start < stop and end > begin for begin, stop in wanted)
    ]
    return trained or Skipped(reason="changes no line of the file")


def _changed_lines(before: str, after: str, reply: Sequence[str]) -> list[int]:
    """Numbers of the reply's lines that are in the new file and not where the old one had them.

    After a pure deletion that is the line which now follows.
    """
    kept = {line.rstrip() for line in after.splitlines()}
    old, new = [[text.rstrip() for text in side] for side in (before.splitlines(), reply)]
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    changed: set[int] = set()
    for operation, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if operation == "delete" and any(old[old_from:old_to]):
            changed.add(new_from)
        elif operation != "equal":
            changed.update(range(new_from, new_to))
    return sorted(n for n in changed if n < len(new) and new[n] and new[n] in kept)


def _spans(ids: Sequence[int], chat: Format) -> tuple[str, list[tuple[int, int]]]:
    """The action's text, and from where to where in it each token reaches.

    Tokens that end inside a character share the span of the one that completes it.
    """
    stream = TextStream(chat.decode)
    pieces = [stream.push(id_) for id_ in ids]
    rest = stream.flush()
    if pieces:
        pieces[-1] += rest
    spans: list[tuple[int, int]] = []
    end = sum(map(len, pieces))
    text = "".join(pieces)
    start = end
    for piece in reversed(pieces):
        if piece:
            end, start = start, start - len(piece)
        spans.append((start, end))
    return text, spans[::-1]


def _noted_prompt(step: Experience, chat: Format, note_tokens: int) -> tuple[int, ...] | Skipped:
    if not step.messages or tuple(chat.encode(step.messages)) != step.action.prompt_ids:
        return Skipped(reason="its prompt cannot be rebuilt token by token")
    note = evidence_note(
        step.evidence,
        attempt=f"{step.action.text}\n{step.after}",
        budget=note_tokens,
        count=lambda text: len(chat.encode_text(text)),
    )
    if not note:
        return Skipped(reason="its evidence says nothing that may be learned from")
    return tuple(chat.encode(with_note(step.messages, note)))


def _window(
    example: Example,
    prompt: Sequence[int],
    action: Sequence[int],
    trained: Sequence[int],
    max_tokens: int,
    *,
    noted: Sequence[int] = (),
) -> Prepared | Skipped:
    """Cut to `max_tokens`, what costs least first.

    First the action's end after the last trained token, which loses nothing; then the history's
    beginning, down to a quarter of the window; then trained tokens at the action's end.
    """
    history = min(len(prompt), max(max_tokens // 4, max_tokens - trained[-1] - 1))
    fitting = [index for index in trained if index < max_tokens - history]
    if not fitting or history < 1:
        return Skipped(reason=f"its trained tokens do not fit into {max_tokens} tokens")
    cut = len(prompt) - history
    used = tuple(action[: fitting[-1] + 1])
    shared = _common_prefix(prompt, noted)
    return Prepared(
        kind=example.kind,
        ids=(*prompt[cut:], *used),
        positions=tuple(history + index for index in fitting),
        teacher_ids=(*noted[min(cut, shared) :], *used) if noted else (),
        weight=example.weight,
        history_cut=cut,
        trained_cut=len(trained) - len(fitting),
    )


def _common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    length = 0
    for left, right in zip(first, second, strict=False):
        if left != right:
            break
        length += 1
    return length
