"""Turns examples into token windows: input ids, trained positions, and the teacher's contexts.

The student's ids are the recorded ones, token by token. Nothing here imports torch. The plan of a
round and its worker both call `prepare_all`, so they agree on which examples can be used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from learning.records import Evidence, Experience, Message
from learning.training.api_rows import ApiTokens, api_tokens, named_tokens
from learning.training.chat_format import Format
from learning.training.job import Example, ExampleKind, TrainingJob
from learning.training.rules import PLAIN_SDPO, LearningRule
from learning.training.spans import changed_lines, spell
from learning.training.teacher_context import (
    control_notes,
    evidence_notes,
    reported_words,
    values_only_in_notes,
    with_note,
)

_KNOWS_TOO_MUCH = re.compile(
    r"(?i)as the (?:error|traceback|note) says|previous attempt|the error above|fixed the previous"
)
_STAND_IN = "x"
"""Any reply, to see which tokens the template puts between a reply and the next message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """The tool's words after an action: the ids that follow the student's window."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    """Indices into `ids` of the trained tokens, without the template's own tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One example as token ids."""

    kind: ExampleKind
    ids: tuple[int, ...]
    """The student's window: the end of the prompt, then the action up to its last trained token."""
    positions: tuple[int, ...]
    """Indices into `ids` of the trained tokens."""
    teacher_contexts: tuple[tuple[int, ...], ...] = ()
    """The same window with each note in it; all end with the action's tokens."""
    controls: tuple[tuple[int, ...], ...] = ()
    """The same window with notes that lack this evidence."""
    roles: tuple[float, ...] = ()
    """Weight of each trained token by its kind of text; empty means 1 for all."""
    only_in_notes: frozenset[int] = frozenset()
    """Vocabulary ids of values that only the notes contain."""
    echo: Echo | None = None
    use_id: str = ""
    """Id of the context of a row about an API, or of the row without one; empty for experiences."""
    api: ApiTokens | None = None
    """Places of the API in `ids`, of a row that is about one that changed."""
    weight: float = 1.0
    history_cut: int = 0
    """Number of prompt tokens that were cut on the left."""
    trained_cut: int = 0
    """Number of action tokens that did not fit and so are not trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An example that cannot be trained on, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notes:
    """The prompts with notes in them, and the ids of values that only the notes contain."""

    teacher_contexts: tuple[tuple[int, ...], ...] = ()
    controls: tuple[tuple[int, ...], ...] = ()
    only_in_notes: frozenset[int] = frozenset()


def prepare(
    example: Example,
    chat: Format,
    *,
    max_tokens: int,
    note_tokens: int,
    rule: LearningRule = PLAIN_SDPO,
    others: Sequence[Evidence] = (),
) -> Prepared | Skipped:
    """The token window of an example, or the reason why it has none.

    `others` are facts of other examples; some controls are notes about them.
    """
    example = _encoded(example, chat)
    prompt = example.step.action.prompt_ids
    action = (example.fix or example.step).action.token_ids
    if not prompt or not action:
        return Skipped(reason="recorded without token ids")
    if example.use is not None:
        return _about_api(example, chat, max_tokens)
    if example.kind is ExampleKind.EVIDENCE:
        return _evidence(example, chat, max_tokens, note_tokens, rule, others)
    trained = changed_tokens(example, chat)
    if isinstance(trained, Skipped):
        return trained
    notes = _Notes()
    if example.kind is ExampleKind.HINDSIGHT and example.read_evidence:
        found = _noted_prompts(example.step, chat, note_tokens, rule, others)
        notes = notes if isinstance(found, Skipped) else found  # the fix can be learned without
    return _window(example, prompt, action, trained, max_tokens, notes=notes)


def _about_api(example: Example, chat: Format, max_tokens: int) -> Prepared | Skipped:
    """A row about an API: the whole completion is trained, its name and its stale twin are placed.

    In a reply of the model's own the names that failed are not trained.
    """
    prompt, action = example.step.action.prompt_ids, example.step.action.token_ids
    trained: Sequence[int] = range(len(action))
    if example.kind is ExampleKind.OWN_REPLY:
        failed = set(named_tokens(example, chat))
        trained = [index for index in trained if index not in failed]
        if not trained:
            return Skipped(reason="nothing is left of it without what failed")
    made = _window(example, prompt, action, trained, max_tokens)
    if isinstance(made, Skipped):
        return made
    made = replace(made, use_id=(example.use and example.use.context) or example.step.id)
    if example.kind is not ExampleKind.API_PAIR:
        return made
    api = api_tokens(example, chat).moved(made.positions[0], end=len(made.ids))
    if not api.names:
        return Skipped(reason="the name of the API is not among the tokens that fit")
    return replace(made, api=api)


def _encoded(example: Example, chat: Format) -> Example:
    """The example with token ids for changes that a search found and for rows about an API."""
    made = example.use is not None or (example.fix is not None and example.fix.was_searched)
    fix = _with_ids(example.fix, chat, made=made) if example.fix is not None else None
    return replace(example, step=_with_ids(example.step, chat, made=made), fix=fix)


def _with_ids(experience: Experience, chat: Format, *, made: bool) -> Experience:
    if experience.action.token_ids or not (made or experience.was_searched):
        return experience
    action = replace(
        experience.action,
        prompt_ids=tuple(chat.encode(experience.messages)),
        token_ids=tuple(chat.encode_text(experience.action.text)),
    )
    return replace(experience, action=action)


def changed_tokens(example: Example, chat: Format) -> Sequence[int] | Skipped:
    """Indices of the action's tokens in lines that the fix added or changed.

    If the file did not exist before, the lines are compared with those of the failed completion.
    """
    fix = example.fix or example.step
    spelled = spell(fix.action.token_ids, chat.decode)
    before = example.step.before or (example.step.after if example.fix else "")
    changed = changed_lines(before, fix.after, spelled.lines)
    if any(_KNOWS_TOO_MUCH.search(spelled.lines[number]) for number in changed):
        return Skipped(reason="mentions what it should not know")
    return spelled.tokens_of(changed) or Skipped(reason="changes no line of the file")


def _evidence(  # noqa: PLR0917 - one private step of `prepare`, with its arguments
    example: Example,
    chat: Format,
    max_tokens: int,
    note_tokens: int,
    rule: LearningRule,
    others: Sequence[Evidence],
) -> Prepared | Skipped:
    step = example.step
    notes = _noted_prompts(step, chat, note_tokens, rule, others)
    if isinstance(notes, Skipped):
        return notes
    if not example.read_evidence:
        notes = _Notes()
    action = step.action.token_ids
    roles = spell(action, chat.decode).roles(prose=rule.weights.prose)
    made = _window(
        *(example, step.action.prompt_ids, action, range(len(action)), max_tokens),
        notes=notes,
        roles=roles,
        echo=_echo(step, chat) if rule.loss.echo else None,
    )
    if isinstance(made, Prepared) and not made.teacher_contexts and made.echo is None:
        return Skipped(reason="too long")
    return made


def _noted_prompts(
    step: Experience, chat: Format, note_tokens: int, rule: LearningRule, others: Sequence[Evidence]
) -> _Notes | Skipped:
    if not step.messages or tuple(chat.encode(step.messages)) != step.action.prompt_ids:
        return Skipped(reason="its prompt cannot be rebuilt token by token")

    def count(text: str) -> int:
        return len(chat.encode_text(text))

    def prompts(notes: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(chat.encode(with_note(step.messages, note))) for note in notes)

    completion = f"{step.action.text}\n{step.after}"
    notes = evidence_notes(
        step.evidence,
        completion=completion,
        budget=note_tokens,
        count=count,
        forms=rule.teacher_contexts,
    )
    if not notes:
        return Skipped(reason="its evidence says nothing that may be learned from")
    controls = control_notes(
        *(step.evidence, others),
        completion=completion,
        budget=note_tokens,
        count=count,
        controls=rule.controls,
    )
    shown = "\n".join(message.content for message in step.messages)
    values = values_only_in_notes(notes, shown)
    unseen = {
        id_ for value in values for text in (value, f" {value}") for id_ in chat.encode_text(text)
    }
    return _Notes(
        teacher_contexts=prompts(notes),
        controls=prompts(controls),
        only_in_notes=frozenset(unseen.difference(step.action.prompt_ids)),
    )


def _echo(step: Experience, chat: Format) -> Echo | None:
    """The ids after the action when the tool's words are the next message; None if unclear."""
    words = reported_words(step.evidence, completion=f"{step.action.text}\n{step.after}")
    if not words:
        return None
    replied = (*step.messages, Message(role="assistant", content=_STAND_IN))
    whole = chat.encode((*replied, Message(role="user", content=words)))
    head = (*step.action.prompt_ids, *chat.encode_text(_STAND_IN))
    spoken = chat.encode_text(words)
    if tuple(whole[: len(head)]) != head:
        return None  # a template that rewrites earlier turns
    rest = whole[len(head) :]
    starts = [
        start
        for start in range(len(rest) - len(spoken) + 1)
        if rest[start : start + len(spoken)] == spoken
    ]
    if not starts:
        return None  # the words are spelled otherwise next to the template's marks
    end = starts[-1] + len(spoken)
    return Echo(ids=tuple(rest[:end]), positions=tuple(range(starts[-1], end)))


def _window(
    example: Example,
    prompt: Sequence[int],
    action: Sequence[int],
    trained: Sequence[int],
    max_tokens: int,
    *,
    notes: _Notes = _Notes(),
    roles: Sequence[float] = (),
    echo: Echo | None = None,
) -> Prepared | Skipped:
    """Cut the window to `max_tokens`, the cheapest parts first.

    First goes the action's end after the last trained token, which loses nothing; then the beginning of
    the prompt, down to a quarter of the window; then trained tokens at the action's end. The tool's
    words are kept only if they fit behind the whole action.
    """
    history = min(len(prompt), max(max_tokens // 4, max_tokens - trained[-1] - 1))
    fitting = [index for index in trained if index < max_tokens - history]
    if not fitting or history < 1:
        return Skipped(reason=f"its trained tokens do not fit into {max_tokens} tokens")
    cut = len(prompt) - history
    used = tuple(action[: fitting[-1] + 1])
    whole = len(used) == len(action)
    fits = echo is not None and history + len(used) + len(echo.ids) <= max_tokens

    def noted(prompts: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
        return tuple((*ids[min(cut, _common_prefix(prompt, ids)) :], *used) for ids in prompts)

    return Prepared(
        kind=example.kind,
        ids=(*prompt[cut:], *used),
        positions=tuple(history + index for index in fitting),
        teacher_contexts=noted(notes.teacher_contexts),
        controls=noted(notes.controls),
        roles=tuple(roles[index] for index in fitting) if roles else (),
        only_in_notes=notes.only_in_notes,
        echo=echo if whole and fits else None,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """The examples of a selection that can be trained on."""

    prepared: tuple[Prepared, ...]
    experience_ids: tuple[str, ...]
    """Experiences behind the prepared examples."""
    skipped_ids: tuple[str, ...]
    skipped: Mapping[str, int]
    """Number of examples that cannot be used, by reason."""


def prepare_all(examples: Sequence[Example], chat: Format, job: TrainingJob) -> Usable:
    """Prepare all examples and count, by reason, those that cannot be used."""
    prepared: list[Prepared] = []
    used: list[str] = []
    unused: list[str] = []
    skipped: Counter[str] = Counter()
    for example in examples:
        made = prepare(
            *(example, chat),
            max_tokens=job.max_tokens,
            note_tokens=job.note_tokens,
            rule=job.rule,
            others=[f for e in examples if e.step.id != example.step.id for f in e.step.evidence],
        )
        match made:
            case Prepared() as tokens:
                prepared.append(tokens)
                used += example.experience_ids
            case Skipped(reason=reason):
                skipped[reason] += 1
                unused += example.experience_ids
    return Usable(
        prepared=tuple(prepared),
        experience_ids=tuple(dict.fromkeys(used)),
        skipped_ids=tuple(dict.fromkeys(id_ for id_ in unused if id_ not in used)),
        skipped=dict(skipped),
    )
