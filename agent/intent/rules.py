"""Reads most messages by their words alone: the verb that leads, and the thing that it is about.

A message that no rule is sure about is left to the model. Questions are never read as changes: a
rule for a change needs a verb of change at the beginning of a clause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.intent import phrases
from agent.intent.wanted import Wanted


def by_rules(text: str) -> Wanted | None:
    """The kind of a message; None where the words alone do not tell it."""
    said = text.strip()
    if said.startswith("!") or re.match(r"/[a-z]+(?:\s|$)", said):
        return Wanted.COMMAND
    has_trace = phrases.TRACE.search(text) is not None
    lines = (line for line in said.splitlines() if not phrases.TRACE_LINE.match(line))
    prose = re.sub(r"[ \t]{2,}", " ", re.sub(r"\n{3,}", "\n\n", "\n".join(lines).lower()))
    if phrases.FOR_TESTS.search(prose):
        prose = phrases.KEEPS_CODE.sub("", prose)
    if not phrases.CHANGES_NOTHING.search(prose):
        prose = phrases.LIMIT.sub(" ", prose).strip(" ,;.\n") or prose
    parts = phrases.CLAUSE.split(prose.strip())
    clauses = [lead for part in parts if (lead := _lead(part))]
    whole = _lead(prose.replace("\n", " ").strip())
    if not clauses:
        return Wanted.EXPLAIN if has_trace else _greeting(said)
    explains = phrases.JUST_EXPLAIN.search(prose) and not _change(whole)
    if phrases.CHANGES_NOTHING.search(prose) or explains:
        return Wanted.EXPLAIN if phrases.FAILURE.search(prose) or has_trace else Wanted.QUESTION
    if phrases.GREETS.match(prose.strip()) or phrases.CHOICE.search(prose):
        return Wanted.QUESTION
    if any(phrases.REPAIRS.match(clause) for clause in _requests(prose)):
        return Wanted.REPAIR
    wish = None if phrases.ASKS.match(whole) else _polite_wish(parts[1:])
    asks = prose.rstrip().endswith("?")
    return wish or _of_clauses(whole, clauses, text=said, has_trace=has_trace, asks=asks)


def _polite_wish(parts: Sequence[str]) -> Wanted | None:
    """The change that is asked for behind a remark: `load is too long, can you split it up?`."""
    asked = (
        _lead(part)
        for part in parts
        if phrases.CAN_YOU.match(part.strip()) and not phrases.TELLS.search(part)
    )
    return next((found for clause in asked if (found := _change(clause))), None)


def changes_asked(text: str) -> int:
    """The number of clauses of a message that ask for a change."""
    return sum(
        _change(clause) is not None or phrases.REPAIRS.match(clause) is not None
        for clause in _requests(text.lower())
    )


def _requests(prose: str) -> Iterator[str]:
    """The clauses that may ask for something: a question stays in one piece."""
    for sentence in phrases.SENTENCE.split(prose.strip()):
        lead = _lead(sentence)
        if phrases.INTERROGATES.match(lead):
            yield lead
        else:
            yield from (_lead(part) for part in phrases.CLAUSE.split(sentence))


def _greeting(said: str) -> Wanted | None:
    return Wanted.QUESTION if phrases.GREETS.match(said.lower()) else None


def _of_clauses(
    whole: str, clauses: Sequence[str], *, text: str, has_trace: bool, asks: bool
) -> Wanted | None:
    if phrases.ASKS_TO_RUN.match(whole) and not (has_trace and phrases.WHY_AT_ALL.search(whole)):
        pasted = has_trace and phrases.COMMAND.match(whole)
        return (_wish_beside_trace(text) or Wanted.EXPLAIN) if pasted else Wanted.RUN
    if lacking := None if asks else _lacking(whole):
        return lacking
    if wish := _wish_in(whole, clauses, has_trace=has_trace, asks=asks) or _asked_behind(whole):
        return wish
    if phrases.ASKS.match(whole) and not phrases.CALL.match(whole):
        return _question(whole, has_trace=has_trace)
    asked = _last_question(whole) if asks else None
    return (
        asked
        or _change(whole)
        or _statement(whole, clauses, text=text, has_trace=has_trace, asks=asks)
    )


def _lacking(whole: str) -> Wanted | None:
    """The change that is asked for by what is lacking: `list needs a --names flag`."""
    new = (phrases.NEEDS_NEW.match, phrases.NEEDS_DUNDER.match, phrases.LACKS_TESTS.search)
    if any(matches(whole) for matches in new):
        return Wanted.NEW
    return (
        Wanted.EDIT
        if phrases.NEEDS_MORE.match(whole) or phrases.WANTS_TO_SEE.match(whole)
        else None
    )


def _asked_behind(whole: str) -> Wanted | None:
    """The change that is asked for in a sentence behind a question, as in `why is there no limit? Add one`."""
    first, *behind = phrases.SENTENCE.split(whole)
    if not (phrases.INTERROGATES.match(_lead(first)) or "?" in first):
        return None
    orders = (
        _lead(clause)
        for sentence in behind
        if "?" not in sentence and not phrases.WANTS_WORDS.search(sentence)
        for clause in phrases.CLAUSE.split(phrases.IF.sub("", sentence))
    )
    return next((_change(order) for order in orders if phrases.ORDERS.match(order)), None)


def _last_question(whole: str) -> Wanted | None:
    """The kind of a message that ends with a question and asks for no change before it; None for any other."""
    *before, last = phrases.SENTENCE.split(whole)
    if (
        not before
        or not phrases.WORDED_QUESTION.match(_lead(last))
        or changes_asked(". ".join(before))
    ):
        return None
    is_failure = phrases.WHY.match(_lead(last)) and phrases.FAILURE.search(whole)
    return Wanted.EXPLAIN if is_failure else Wanted.QUESTION


def _statement(
    whole: str, clauses: Sequence[str], *, text: str, has_trace: bool, asks: bool
) -> Wanted | None:
    """The kind of a message that begins with no verb: a complaint, a wish, a traceback."""
    remark = phrases.QUOTED.sub("…", whole)
    differs = phrases.DIFFERS.search(remark) is not None
    if differs and (found := _ordered_behind(clauses[1:], asks=asks)):
        return found
    if differs or phrases.COMPLAINS.search(remark):
        is_asked = asks or any(phrases.WHY.match(clause) for clause in clauses)
        return Wanted.EXPLAIN if is_asked else Wanted.REPAIR
    if has_trace or asks:
        return _of_failure(whole, text=text, has_trace=has_trace, asks=asks)
    if phrases.MISSPELT.search(whole) or any(map(phrases.SAYS_MORE.match, clauses[1:])):
        return Wanted.EDIT
    if any(phrases.WISHES.match(clause) for clause in (whole, *clauses)):
        return Wanted.EDIT
    found = next((found for clause in clauses[1:] if (found := _change(clause))), None)
    return found or (Wanted.REPAIR if phrases.EXPECTS.search(whole) else None)


def _of_failure(whole: str, *, text: str, has_trace: bool, asks: bool) -> Wanted:
    """The kind of a pasted failure, or of a message that ends with a question mark."""
    if has_trace and not asks and (wish := _wish_beside_trace(text)):
        return wish
    fails = has_trace or phrases.FAILURE.search(whole) is not None
    return Wanted.EXPLAIN if fails else Wanted.QUESTION


def _ordered_behind(behind: Sequence[str], *, asks: bool) -> Wanted | None:
    """The change that is ordered behind a remark that something differs; an order for a test alone is none."""
    if any(map(phrases.CAN_WE_HAVE.match, behind)):
        return Wanted.NEW
    orders = (
        clause
        for clause in behind
        if phrases.USE_INSTEAD.match(clause)
        or (phrases.ORDERS.match(clause) and not phrases.A_TEST.search(clause))
    )
    if asks or any("?" in clause or phrases.WHY.match(clause) for clause in behind):
        return None
    return next((found for order in orders if (found := _change(order))), None)


def _wish_beside_trace(text: str) -> Wanted | None:
    """The change that is asked for behind a pasted failure: `an empty file should just count as no tasks`.

    Only the person's words behind the line of the exception, which may have more lines of its own.
    """
    ends = list(phrases.EXCEPTION.finditer(text))
    behind = text[ends[-1].end() :] if ends else ""
    own = behind.startswith("\n\n") or "\n" not in behind.strip()
    clauses = [_lead(part) for part in phrases.CLAUSE.split(behind.strip().lower())] if own else []
    if any("?" in clause or phrases.REMARKS.match(clause) for clause in clauses):
        return None
    if found := next((found for clause in clauses if (found := _change(clause))), None):
        return found
    return Wanted.EDIT if any(map(phrases.SHOULD.match, clauses)) else None


def _wish_in(whole: str, clauses: Sequence[str], *, has_trace: bool, asks: bool) -> Wanted | None:
    """The change that a message wishes for in polite words, in its first sentence or behind a remark."""
    if not has_trace and any(map(phrases.WISHED_BEHIND.match, _behind(whole, clauses))):
        return Wanted.NEW if phrases.TESTS_WISHED.search(whole) else Wanted.EDIT
    if phrases.WISHED_FOR.match(whole):
        return Wanted.NEW if phrases.NEW_CALL.search(whole) or "--" in whole else Wanted.EDIT
    if asks or has_trace or "?" in whole.replace("?!", ""):
        return None
    wish = next(filter(phrases.POLITE_WISH.match, (whole, *clauses)), "")
    kind = Wanted.NEW if phrases.NEW_CALL.search(wish) else Wanted.EDIT
    return kind if wish else None


def _behind(whole: str, clauses: Sequence[str]) -> Sequence[str]:
    """The clauses in which a wish may stand behind a remark; none where the message begins with a question."""
    return (
        ()
        if phrases.INTERROGATES.match(whole)
        else [*clauses[1:], *phrases.SENTENCE.split(whole)[1:]]
    )


def _question(whole: str, *, has_trace: bool) -> Wanted:
    is_failure = has_trace or phrases.FAILURE.search(whole) is not None
    return (
        Wanted.EXPLAIN
        if is_failure and (has_trace or phrases.WHY.match(whole))
        else Wanted.QUESTION
    )


def _change(clause: str) -> Wanted | None:
    if phrases.RENAMES.match(clause):
        return Wanted.RENAME
    if phrases.ADDS_TO.match(clause) or phrases.TURNS.match(clause):
        return Wanted.EDIT
    if phrases.MAKES.match(clause):
        return Wanted.NEW
    if phrases.EDITS.match(clause):
        return Wanted.EDIT
    return None


def _lead(clause: str) -> str:
    """A clause without the polite words, and the names of files, before its verb."""
    return phrases.POLITE.sub("", clause.strip()).strip(" \t.!?:")
