"""Makes rows of the model's own replies, on which nothing should change but at the names that failed.

A round that learns new names moves the names beside them, too: `frame.columns` became `frame.schema.names` where
`columns=` was to become `schema=`. `--unchanged replies` of `benchmarks/api_arms.py` asks if the model's own replies
hold it back better than documented calls, which it would not write so by itself. They do not: see docs/experiments.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from learning.contexts.change import ApiChange, ChangeKind
from learning.contexts.use import ApiUse, Span, UseOrigin
from learning.records import Message
from learning.training.job import Example, ExampleKind, api_example

_NAMED = re.compile(r"\b(?:attribute|argument|name|named) ['\"`]([A-Za-z_]\w*)['\"`]")
"""The name in an error that is not there; the class that lacks it is quoted, too."""
_KEYWORD_KINDS = (ChangeKind.KEYWORD, ChangeKind.CALL, ChangeKind.VARIANT, ChangeKind.CHAIN)


def reply_row(
    messages: Sequence[Message],
    text: str,
    changes: Sequence[ApiChange],
    *,
    said: str,
    model: str,
) -> Example:
    """A row on which nothing should change but at the names that failed; `said` are the words of its error."""
    use = ApiUse(
        api="",
        library="",
        version="",
        origin=UseOrigin.OWN,
        names=gone_places(text, changes, said),
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
