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
from learning.records import Sampling

_MARKS = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
_LEAST_PROBABILITY = 0.005


@runtime_checkable
class FillingEngine(Engine, Protocol):
    """An engine that tells which tokens may come next."""

    def likeliest(
        self, prompt_ids: Sequence[int], *, count: int, adapter: str | None = None
    ) -> Sequence[Token]:
        """The most likely next tokens, best first.

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
    adapter = served.adapter_of(wanted.model)
    ids = _prompt(served.chat, wanted)
    firsts = engine.likeliest(ids, count=wanted.skip + wanted.fills, adapter=adapter)
    for first in firsts[wanted.skip :]:
        if cancelled() or first.logprob < math.log(_LEAST_PROBABILITY):
            return
        if first.id not in served.chat.control_ids:
            yield _one(served, wanted, ids, first, cancelled)


def _prompt(chat: ChatFormat, wanted: InfillRequest) -> list[int]:
    prefix, suffix, middle = (_mark_id(chat, mark) or 0 for mark in _MARKS)
    before, after = chat.encode_text(wanted.prefix), chat.encode_text(wanted.suffix)
    return [prefix, *before, suffix, *after, middle]


def _mark_id(chat: ChatFormat, mark: str) -> int | None:
    return chat.tokenizer.token_to_id(mark)


def _one(
    served: LoadedModel,
    wanted: InfillRequest,
    ids: Sequence[int],
    first: Token,
    cancelled: Callable[[], bool],
) -> GapFill:
    """Go on greedily from one first token."""
    chat, made = served.chat, [first]
    text, finished = chat.decode([first.id]), False
    sampling = Sampling(temperature=0.0, max_tokens=wanted.max_tokens)
    if wanted.stop not in text:
        tokens = served.engine.generate(
            [*ids, first.id],
            sampling=sampling,
            stop_ids=tuple(chat.control_ids | set(chat.stop_ids)),
            adapter=served.adapter_of(wanted.model),
            cancelled=lambda: finished or cancelled(),
        )
        for token in tokens:
            made.append(token)
            text = chat.decode([item.id for item in made])
            if wanted.stop in text:
                break
    finished = wanted.stop in text or len(made) <= wanted.max_tokens
    return GapFill(
        text=text.partition(wanted.stop)[0],
        logprob=sum(token.logprob for token in made),
        tokens=len(made),
        finished=finished,
    )
