"""Fills a gap between two pieces of a file, with the model's own tokens for filling in the middle.

Several fills come from one reading of the prompt: each begins with another of the likeliest first
tokens and goes on greedily. Fill-in-the-middle training: Bavarian et al. 2022 (arXiv 2207.14255);
the tokens are those of Qwen2.5-Coder (arXiv 2409.12186), prefix before suffix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from learning.model.chat import ChatFormat
from learning.model.engine import Engine, EngineError, Token
from learning.model.replies import LoadedModel

_MARKS = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
LEAST_PROBABILITY = 0.005
_MOST_AVOIDED = 4


@runtime_checkable
class ForeseeingEngine(Engine, Protocol):
    """An engine that tells which tokens may come next."""

    def likeliest(
        self, prompt_ids: Sequence[int], *, count: int, adapter: str | None = None
    ) -> Sequence[Token]:
        """The most likely next tokens, best first.

        Raises:
            EngineError: As `generate`.
        """
        ...


@runtime_checkable
class FillingEngine(ForeseeingEngine, Protocol):
    """An engine that goes on from one prompt in several ways."""

    def branches(
        self,
        prompt_ids: Sequence[int],
        *,
        firsts: Sequence[int],
        limit: int,
        ended: Callable[[int], bool],
        adapter: str | None = None,
    ) -> Iterator[tuple[int, Token]]:
        """Continue one prompt greedily, by at most `limit` tokens, once after each first token.

        Yields each token with the index of its branch; the branches go on beside each other where the
        engine can. `ended(index)` is asked whether a branch shall go no further.

        Raises:
            EngineError: As `generate`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InfillRequest:
    """One `POST /v1/infill`."""

    model: str
    prefix: str
    suffix: str
    fills: int = 1
    """Number of different first tokens with which a fill is to begin."""
    skip: int = 0
    """Number of the likeliest first tokens that were used before."""
    max_tokens: int = 64
    stop: str = "\n"
    """Text that ends a fill and is no part of it."""
    least: float = LEAST_PROBABILITY
    """Least probability of a first token, among those that are not avoided."""
    avoid: str = ""
    """First tokens that begin with this text are passed over; empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFill:
    """One text for the gap."""

    text: str
    logprob: float
    """Sum of the natural log-probabilities of its tokens."""
    tokens: int
    finished: bool
    """False if it ran into `max_tokens`."""


class CannotFillError(EngineError):
    """The model has no tokens for it, or the engine does not tell what may come next."""


def can_fill(served: LoadedModel) -> bool:
    """True if the model has tokens for it and the engine can tell what may come next."""
    known = all(_mark_id(served.chat, mark) is not None for mark in _MARKS)
    return known and isinstance(served.engine, FillingEngine)


def fill(
    served: LoadedModel, wanted: InfillRequest, *, cancelled: Callable[[], bool]
) -> Iterator[GapFill]:
    """Yield the fills of a gap, that with the likeliest first token first.

    Raises:
        CannotFillError: If the model or its engine cannot fill gaps.
        EngineError: If the prompt does not fit, or the engine fails.
    """
    engine = served.engine
    if not isinstance(engine, FillingEngine) or not can_fill(served):
        raise CannotFillError(
            f"{served.model.name} served by {served.kind} cannot fill gaps: use a model with"
            " fill-in-the-middle tokens, served by llama.cpp."
        )
    adapter, chat = served.adapter_of(wanted.model), served.chat
    ids = _prompt(chat, wanted)
    most = wanted.skip + wanted.fills + (_MOST_AVOIDED if wanted.avoid else 0)
    found = engine.likeliest(ids, count=most, adapter=adapter)
    firsts = _wanted_firsts(chat, wanted, found)
    growing = [_Growing(chat, wanted, first) for first in firsts]
    tokens = engine.branches(
        ids,
        firsts=[first.id for first in firsts],
        limit=wanted.max_tokens,
        ended=lambda index: growing[index].ended or cancelled(),
        adapter=adapter,
    )
    for index, token in tokens:
        growing[index].add(token)
    if not cancelled():
        yield from (one.fill() for one in growing)


def _prompt(chat: ChatFormat, wanted: InfillRequest) -> list[int]:
    prefix, suffix, middle = (_mark_id(chat, mark) or 0 for mark in _MARKS)
    before, after = chat.encode_text(wanted.prefix), chat.encode_text(wanted.suffix)
    return [prefix, *before, suffix, *after, middle]


def _wanted_firsts(chat: ChatFormat, wanted: InfillRequest, found: Sequence[Token]) -> list[Token]:
    """The first tokens of the fills, likeliest first; those that were used before are left out."""

    def is_avoided(token: Token) -> bool:
        return bool(wanted.avoid) and chat.decode([token.id]).lstrip().startswith(wanted.avoid)

    avoided = [token for token in found if is_avoided(token)]
    kept = [token for token in found if token not in avoided]
    others = 1.0 - sum(math.exp(token.logprob) for token in avoided)
    return [
        token
        for token in kept[wanted.skip : wanted.skip + wanted.fills]
        if math.exp(token.logprob) >= wanted.least * others and token.id not in chat.control_ids
    ]


def _mark_id(chat: ChatFormat, mark: str) -> int | None:
    return chat.tokenizer.token_to_id(mark)


class _Growing:
    """One fill while its tokens come."""

    def __init__(self, chat: ChatFormat, wanted: InfillRequest, first: Token) -> None:
        self._chat, self._wanted = chat, wanted
        self._ends = chat.control_ids | set(chat.stop_ids)
        self._made = [first]
        self._text = chat.decode([first.id])
        self._stopped = False

    @property
    def ended(self) -> bool:
        return self._stopped or self._wanted.stop in self._text

    def add(self, token: Token) -> None:
        """Take the next token, unless the fill has ended meanwhile."""
        if self.ended:
            return
        if token.id in self._ends:
            self._stopped = True
            return
        self._made.append(token)
        self._text = self._chat.decode([item.id for item in self._made])

    def fill(self) -> GapFill:
        return GapFill(
            text=self._text.partition(self._wanted.stop)[0],
            logprob=sum(token.logprob for token in self._made),
            tokens=len(self._made),
            finished=self.ended or len(self._made) <= self._wanted.max_tokens,
        )
