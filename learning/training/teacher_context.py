"""What the teacher sees beside the student's prompt: short notes with the evidence, and controls.

A note states what was observed and never quotes the failing attempt: a teacher that sees the
attempt repeats it (arXiv 2606.11173). The views of one note say the same in different forms; a
control has the form without this evidence, so that what any note does to the model cancels out.
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
"""Shorter lines (`else:`, `return x`) prove nothing when they occur in both texts."""
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
"""Words that speak to a model instead of reporting: a tool has no business with them."""


def evidence_notes(
    evidence: Sequence[Evidence],
    *,
    completion: str,
    budget: int,
    count: Callable[[str], int],
    forms: int,
) -> tuple[str, ...]:
    """Up to `forms` different notes for this evidence, none longer than `budget` tokens.

    Empty if nothing may be said. At most two facts, the shortest; only from our harness or the
    user; without lines of the attempt, absolute paths, addresses, times, or anything that reads
    like an instruction.
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
    """Notes of the same form that do not have this evidence: half neutral, half of other failures.

    The others are of the same kind and nearest in length, with another signature.
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
    """The facts that a note may state, cleaned, the shortest first."""
    facts = [clean for fact in evidence if (clean := _clean(fact, completion)) is not None]
    return sorted(facts, key=lambda fact: len(_full(fact)))


def values_only_in_notes(notes: Iterable[str], prompt: str) -> frozenset[str]:
    """Literals that the notes contain and the prompt does not: to be explained, not repeated."""
    values = {match for note in notes for match in _VALUE.findall(note)}
    return frozenset(value for value in values if value not in prompt)


def with_note(messages: Sequence[Message], note: str) -> tuple[Message, ...]:
    """The conversation with the note at the end of the last message, as part of it."""
    *earlier, last = messages
    noted = dataclasses.replace(last, content=f"{last.content}\n\n{note}")
    return (*earlier, noted)


def reported_words(evidence: Sequence[Evidence], *, completion: str) -> str:
    """What the harness said after the action, in its own words, or ""."""
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
    """The fact without what changes from run to run or quotes the attempt; None if untrusted."""
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
    """What the tool itself says: what the code that it ran raised is no more than a name and a place."""
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
"""The views, the most complete one first. A view and its control are rendered alike."""
MAX_FORMS = len(_FORMS)


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
    """One step smaller: first fewer facts, then messages without their middle, then none."""
    if len(facts) > 1:
        return facts[:1]
    message = facts[0].message
    if len(message) <= _MIN_MESSAGE:
        return []
    kept = len(message) // 3
    return [dataclasses.replace(facts[0], message=f"{message[:kept]} ... {message[-kept:]}")]
