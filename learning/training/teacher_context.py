"""Teacher contexts: the student's prompt with a short note of the evidence, and controls.

The teacher is the same model with more in its context. A note states the evidence and never quotes
the failed completion, because a teacher that sees it repeats it (arXiv 2606.11173). The same evidence
is put into several forms; each form makes one teacher context. A control is a note of the same form
without this evidence, so that the effect of any note on the model cancels out.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from learning.evidence.words import own_value, own_words
from learning.records import Evidence, Message, Tier

_HERE = Path(__file__).parent
_MAX_FACTS = 2
_LEARNABLE = (Tier.HARNESS, Tier.USER)
_MIN_QUOTED = 8
"""Shorter lines (`else:`, `return x`) may occur in both texts without being a quotation."""
_MIN_MESSAGE = 40
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,60}", re.ASCII)
_VALUE = re.compile(r"'[^'\n]{1,80}'|\"[^\"\n]{1,80}\"|(?<![\w.])-?\d[\d_]*(?:\.\d+)?(?![\w.])")

_VOLATILE = (
    (re.compile(r"(?<![\w.])/(?:[\w.@+-]{1,100}/){1,30}([\w.@+-]{1,100})"), r"\1"),
    (re.compile(r" at 0x[0-9a-fA-F]{4,16}"), ""),
    (re.compile(r"\b0x[0-9a-fA-F]{6,16}\b"), "0x0"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?Z?"), "[time]"),
    (re.compile(r"\b[0-9a-f]{32,64}\b"), "[id]"),
)
_INSTRUCTION = re.compile(
    r"(?i)\b(?:ignore|disregard|forget|override)\b[^\n]{0,40}\b(?:instruction|prompt|rule|above"
    r"|previous)|\byou (?:must|should|are now|will)\b[^\n]{0,60}\b(?:always|never|add|insert|write"
    r"|run|execute|import|reply|answer|output)\b|<\|im_(?:start|end)\|>|\[/?INST\]|<\|[a-z_]{2,30}\|>"
    r"|^\s*(?:system|assistant)\s*:"
)
"""Text that instructs a model. A fact with such text is not learned from: tools report."""


def evidence_notes(
    evidence: Sequence[Evidence],
    *,
    completion: str,
    budget: int,
    count: Callable[[str], int],
    forms: int,
) -> tuple[str, ...]:
    """Up to `forms` different notes for this evidence, none longer than `budget` tokens.

    Empty if no fact may be stated. A note has at most two facts, the shortest ones, which come from
    the harness or the user. It holds no lines of the completion, no absolute paths, addresses or
    times, and nothing that reads like an instruction.
    """
    facts = list(learnable_facts(evidence, completion=completion))[:_MAX_FACTS]
    notes = (_note(facts, form, budget, count) for form in _FORMS[:forms])
    return tuple(dict.fromkeys(note for note in notes if note))


def control_notes(
    own: Sequence[Evidence],
    others: Sequence[Evidence],
    *,
    completion: str,
    budget: int,
    count: Callable[[str], int],
    controls: int,
) -> tuple[str, ...]:
    """Notes of the same form without this evidence: half are neutral, half about other failures.

    Those failures are of the same kind, have another signature, and are nearest in length.
    """
    neutral = (_HERE / "neutral.md").read_text(encoding="utf-8").splitlines()
    notes = [_framed([line]) for line in neutral[: (controls + 1) // 2]]
    for fact, form in zip(_foreign(own, others), _FORMS, strict=False):
        if len(notes) >= controls:
            break
        if note := _note(list(learnable_facts([fact], completion=completion)), form, budget, count):
            notes.append(note)
    return tuple(notes[:controls])


def learnable_facts(evidence: Iterable[Evidence], *, completion: str) -> Sequence[Evidence]:
    """Facts that a note may state, cleaned, the shortest first."""
    facts = [clean for fact in evidence if (clean := _clean(fact, completion)) is not None]
    return sorted(facts, key=lambda fact: len(_full(fact)))


def values_only_in_notes(notes: Iterable[str], prompt: str) -> frozenset[str]:
    """Literals that the notes contain and the prompt does not; the student must not copy them."""
    values = {match for note in notes for match in _VALUE.findall(note)}
    return frozenset(value for value in values if value not in prompt)


def with_note(messages: Sequence[Message], note: str) -> tuple[Message, ...]:
    """The conversation with the note appended to its last message."""
    *earlier, last = messages
    noted = dataclasses.replace(last, content=f"{last.content}\n\n{note}")
    return (*earlier, noted)


def reported_words(evidence: Sequence[Evidence], *, completion: str) -> str:
    """The harness's own words about the action; "" if it said nothing that may be learned."""
    facts = [fact for fact in evidence if fact.tier is Tier.HARNESS]
    return "\n".join(
        _short(fact) for fact in learnable_facts(facts, completion=completion)[:_MAX_FACTS]
    )


def _note(
    facts: list[Evidence],
    form: Callable[[Evidence], str],
    budget: int,
    count: Callable[[str], int],
) -> str:
    while facts:
        note = _framed(map(form, facts))
        if count(note) <= budget:
            return note
        facts = _shortened(facts)
    return ""


def _framed(bodies: Iterable[str]) -> str:
    frame = (_HERE / "note.md").read_text(encoding="utf-8").rstrip("\n")
    return frame.replace("{body}", "\n".join(bodies))


def _foreign(own: Sequence[Evidence], others: Sequence[Evidence]) -> Iterator[Evidence]:
    kinds = {fact.kind for fact in own}
    taken = {fact.signature for fact in own}
    length = min((len(_full(fact)) for fact in own), default=0)
    near = sorted(others, key=lambda fact: (abs(len(_full(fact)) - length), _full(fact)))
    for fact in near:
        if fact.kind in kinds and fact.signature not in taken:
            taken.add(fact.signature)
            yield fact


def _clean(fact: Evidence, completion: str) -> Evidence | None:
    """The fact without quotations of the completion and text that differs from run to run.

    None if the fact may not be learned from.
    """
    if fact.tier not in _LEARNABLE or not (fact.exception or fact.message):
        return None
    quoted = {line.strip() for line in completion.splitlines() if len(line.strip()) >= _MIN_QUOTED}
    lines = [line for line in fact.message.splitlines() if not _quotes(line, quoted)]
    said = (*lines, fact.subject, fact.expected, fact.got)
    fact = dataclasses.replace(fact, message="\n".join(lines))
    if fact.tier is not Tier.USER:
        if any(map(_INSTRUCTION.search, said)):
            return None
        fact = _in_own_words(fact)
    return dataclasses.replace(
        fact,
        subject=_stable(fact.subject),
        message=_stable(fact.message).strip(),
        file=_stable(fact.file),
    )


def _in_own_words(fact: Evidence) -> Evidence:
    """The fact in the tool's own words; of the code that was run, only names and places remain."""
    test, mark, parameters = fact.subject.partition("[")
    return dataclasses.replace(
        fact,
        subject=f"{test}{mark}{parameters}" if own_value(parameters[:-1]) else test,
        exception=fact.exception if _NAME.fullmatch(fact.exception) else "",
        message=own_words(fact),
        expected=own_value(fact.expected),
        got=own_value(fact.got),
    )


def _quotes(line: str, quoted: set[str]) -> bool:
    # pytest marks the failing source line with `>` and prints `E` before its own words.
    return re.sub(r"^[>E]\s{1,20}", "", line.strip()).strip() in quoted


def _stable(text: str) -> str:
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return text


def _full(fact: Evidence) -> str:
    return f"{fact.subject or 'the run'} failed: {_said(fact)}{_place(fact, indent='  ')}"


def _short(fact: Evidence) -> str:
    return _said(fact).split("\n", 1)[0]


def _place_first(fact: Evidence) -> str:
    place = _place(fact, indent="").strip() or "during the run"
    return f"Observed {place}:\n{_said(fact)}"


def _wanted(fact: Evidence) -> str:
    if fact.expected and fact.got:
        return f"{fact.subject or 'The check'} wants {fact.expected} and was given {fact.got}."
    return f"{fact.subject or 'The run'} is not right yet. It reports: {_said(fact)}"


_FORMS: tuple[Callable[[Evidence], str], ...] = (_full, _short, _place_first, _wanted)
"""Forms of a note, the most complete one first. A control is rendered in the same form."""


def _said(fact: Evidence) -> str:
    if fact.exception and not fact.message.startswith(fact.exception):
        return f"{fact.exception}: {fact.message}" if fact.message else fact.exception
    return fact.message


def _place(fact: Evidence, *, indent: str) -> str:
    if not fact.file:
        return ""
    function = f", in {fact.function}" if fact.function else ""
    return f"\n{indent}at {fact.file}:{fact.line}{function}"


def _shortened(facts: list[Evidence]) -> list[Evidence]:
    """The facts shortened by one step: to one fact, then without the message's middle, then none."""
    if len(facts) > 1:
        return facts[:1]
    message = facts[0].message
    if len(message) <= _MIN_MESSAGE:
        return []
    kept = len(message) // 3
    return [dataclasses.replace(facts[0], message=f"{message[:kept]} ... {message[-kept:]}")]
