"""Chooses which of several texts comes next, by the model's own likelihood.

The tokens that may follow are held to those that spell one of the texts (constrained decoding); the
likeliest spelling is followed first, so the first text that is complete is the likeliest one. Nothing
is banned: a small model whose first choice is only taken away invents a name close to it.
Monitor-guided decoding (arXiv 2306.10763) masks tokens in the same way, but takes the first that fits.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from learning.model.engine import Token
from learning.model.infill import CannotFillError, ForeseeingEngine
from learning.model.replies import LoadedModel
from learning.records import Message

_MOST_STEPS = 48
"""Tokens that are looked at for one choice; what is not spelled by then is not chosen."""
_TOKENS_LOOKED_AT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceRequest:
    """One `POST /v1/choose`: which of the texts the assistant's answer goes on with."""

    model: str
    messages: tuple[Message, ...]
    begun: str
    """The assistant's answer so far."""
    choices: tuple[str, ...]
    count: int = 1
    """Number of texts wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of the texts, with its likelihood."""

    text: str
    logprob: float
    """Natural log-probability of the text and of what shows that it ends there."""
    tokens: int
    """Tokens that were looked at until it was found."""


def choose(
    served: LoadedModel, wanted: ChoiceRequest, *, cancelled: Callable[[], bool]
) -> Iterator[Choice]:
    """Yield the likeliest texts, best first; fewer than wanted where the model thinks of none.

    A text that ends in a letter, digit or underscore is complete only where none of these follows.

    Raises:
        CannotFillError: If the engine does not tell which tokens may come next.
        EngineError: If the prompt does not fit, or the engine fails.
    """
    engine = served.engine
    if not isinstance(engine, ForeseeingEngine):
        raise CannotFillError(
            f"{served.kind} does not tell which words may come next: use the llama engine."
        )
    adapter = served.adapter_of(wanted.model)
    prompt = served.chat.continued(wanted.messages, wanted.begun)
    open_: list[tuple[float, str, tuple[int, ...], bool]] = [(0.0, "", (), False)]
    seen: set[str] = set()
    steps = found = 0
    while open_ and found < wanted.count and steps < _MOST_STEPS and not cancelled():
        cost, text, ids, complete = heapq.heappop(open_)
        if complete:
            found += 1
            yield Choice(text=text, logprob=-cost, tokens=steps)
            continue
        if text in seen:
            continue
        seen.add(text)
        steps += 1
        likely = engine.likeliest([*prompt, *ids], count=_TOKENS_LOOKED_AT, adapter=adapter)
        for item in _extended(served, wanted.choices, text, ids, likely):
            heapq.heappush(open_, (cost - item[0], *item[1:]))


def _extended(
    served: LoadedModel,
    choices: Sequence[str],
    text: str,
    ids: tuple[int, ...],
    likely: Sequence[Token],
) -> Iterator[tuple[float, str, tuple[int, ...], bool]]:
    """Extend a beginning by a token: log-probability, text, tokens, and true if it is complete."""
    possible = [choice for choice in choices if choice.startswith(text)]
    ended: dict[str, float] = {}
    for token in likely:
        longer = served.chat.decode([*ids, token.id])
        complete = [choice for choice in possible if _is_complete(choice, longer)]
        for choice in complete:
            ended[choice] = ended.get(choice, 0.0) + math.exp(token.logprob)
        if len(longer) > len(text) and any(c.startswith(longer) for c in possible):
            yield token.logprob, longer, (*ids, token.id), False
    yield from ((math.log(p), choice, ids, True) for choice, p in ended.items() if p > 0)


def _is_complete(choice: str, text: str) -> bool:
    """True if a text spells a choice and shows that no longer name begins so."""
    if not text.startswith(choice):
        return False
    following = text[len(choice) : len(choice) + 1]
    return not _in_name(choice[-1]) or (bool(following) and not _in_name(following))


def _in_name(character: str) -> bool:
    return character.isalnum() or character == "_"
