"""Makes rows of the model's own replies: what it wrote as one who knows the library stays as it is.

A round that learns new names moves the names beside them, too: `frame.columns` became `frame.schema.names` where
`columns=` was to become `schema=`. Documented calls do not hold the model back there, since it would not write
them so by itself; its own replies do, those that failed included, without the names that failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from learning.contexts.change import ApiChange, ChangeKind
from learning.contexts.use import ApiUse, Span, UseOrigin
from learning.records import Experience, Message, Verdict
from learning.training.job import Example, ExampleKind, api_example
from learning.training.selection import is_benchmark

_NAMED = re.compile(r"\b(?:attribute|argument|name|named) ['\"`]([A-Za-z_]\w*)['\"`]")
"""The name in an error that is not there; the class that lacks it is quoted, too."""
_KEYWORD_KINDS = (ChangeKind.KEYWORD, ChangeKind.CALL, ChangeKind.VARIANT, ChangeKind.CHAIN)
_BLOCK = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)


def reply_rows(
    experiences: Iterable[Experience], changes: Sequence[ApiChange], *, model: str, most: int
) -> list[Example]:
    """The model's own failing replies with code, at their own prompts; the first ones."""
    rows: list[Example] = []
    for each in experiences:
        if len(rows) == most:
            break
        own = each.verdict is Verdict.FAIL and each.model == model and each.messages
        if own and not is_benchmark(each) and _BLOCK.search(each.action.text):
            said = " ".join(fact.message for fact in each.evidence)
            row = reply_row(
                *(each.messages, each.action.text, changes),
                said=said,
                model=model,
                experiences=(each.id,),
            )
            rows.append(replace(row, step=replace(row.step, trust=each.trust)))
    return rows


def reply_row(
    messages: Sequence[Message],
    text: str,
    changes: Sequence[ApiChange],
    *,
    said: str,
    model: str,
    experiences: tuple[str, ...] = (),
) -> Example:
    """A row on which nothing should change but at the names that failed; `said` are the words of its error."""
    use = ApiUse(
        api="",
        library="",
        version="",
        origin=UseOrigin.OWN,
        names=gone_places(text, changes, said),
        experiences=experiences,
    )
    kind = ExampleKind.OWN_REPLY
    return api_example(kind, use, messages=messages, chosen=text, model=model)


def gone_places(text: str, changes: Sequence[ApiChange], said: str) -> tuple[Span, ...]:
    """The places in a reply of names that libraries no longer have, and of those that its error names; sorted."""
    patterns = [rf"\b{re.escape(name)}\b" for name in _NAMED.findall(said)]
    patterns += [p for change in changes if change.library in text for p in _patterns(change)]
    found = {match.span() for pattern in patterns for match in re.finditer(pattern, text)}
    return tuple(sorted(found))


def _patterns(change: ApiChange) -> Iterator[str]:
    """Patterns of a change's old form: an argument where a value follows, a text in its quotes, else the name."""
    for name in change.gone if change.kind in _KEYWORD_KINDS else change.gone[-1:]:
        word = re.escape(name)
        if change.kind in _KEYWORD_KINDS:
            yield rf"\b{word}(?=\s*=(?!=))"
        elif change.kind is ChangeKind.VALUE:
            yield rf"(?<=['\"]){word}(?=['\"])"
        else:
            yield rf"\b{word}\b"
