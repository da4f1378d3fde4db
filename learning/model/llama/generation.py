"""One reply of llama.cpp, made by as many runs as it takes.

The server in the binding hides tokens in the middle of a character and ends at marks of its own choice.
Both are corrected here, so that ids and log-probabilities are exactly those of the model.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from learning.model.engine import Token, Usage
from learning.model.llama.binding import GenerationRequest, Piece, TokenCandidate
from learning.model.llama.process import LlamaProcess

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_RUN_TOKENS = 256
"""Tokens asked for at a time: bounds how long hidden tokens can go unnoticed."""


class Generation:
    """One reply, made by as many runs of the binding as it takes."""

    def __init__(
        self,
        *,
        binding: LlamaProcess,
        job: GenerationRequest,
        stop_ids: frozenset[int],
        shown_id: int,
        decode: Callable[[Sequence[int]], str],
        cancelled: Callable[[], bool],
    ) -> None:
        self._binding = binding
        self._job = job
        self._stop_ids = stop_ids
        self._shown_id = shown_id
        self._decode = decode
        self._cancelled = cancelled
        self._made: list[int] = []
        self._cached_tokens: int | None = None
        self._drafted = self._accepted = 0
        self._ended = False

    def usage(self) -> Usage:
        return Usage(
            prompt_tokens=len(self._job.ids),
            cached_tokens=self._cached_tokens or 0,
            completion_tokens=len(self._made),
            drafted_tokens=self._drafted,
            accepted_tokens=self._accepted,
        )

    def tokens(self) -> Iterator[Token]:
        while len(self._made) < self._job.limit and not self._cancelled():
            before = len(self._made)
            for token in self._run():
                if token.id in self._stop_ids:
                    return
                self._made.append(token.id)
                yield token
            if self._ended or len(self._made) == before:
                return

    def _next_job(self) -> GenerationRequest:
        return replace(
            self._job,
            ids=(*self._job.ids, *self._made),
            limit=min(self._job.limit - len(self._made), _RUN_TOKENS),
            seed=self._job.sampling.seed + len(self._made),
        )

    def _run(self) -> Iterator[Token]:
        """Tokens of one run, up to the first hidden one, which is then found by looking again."""
        hidden, shown = False, 0
        with closing(self._binding.run(self._next_job(), self._cancelled)) as pieces:
            for piece in pieces:
                if self._cached_tokens is None:
                    self._cached_tokens = piece.cached_tokens
                self._drafted += piece.drafted
                self._accepted += piece.accepted
                self._ended = piece.ended
                hidden = self._follows_hidden(piece) or (piece.completion_tokens or 0) > shown
                if hidden:
                    break
                shown += len(piece.tokens)
                yield from piece.tokens
        if hidden and not self._cancelled():
            yield from self._character()

    def _follows_hidden(self, piece: Piece) -> bool:
        """True if the token of the piece only completes a character that earlier tokens began."""
        return not piece.text.isascii() and any(
            _REPLACEMENT in self._decode([token.id]) for token in piece.tokens
        )

    def _character(self) -> Iterator[Token]:
        """Choose the tokens of one character from the distributions that the binding reports."""
        data = b""
        while len(self._made) < self._job.limit:
            job = self._next_job()
            chance = random.Random(job.seed)  # noqa: S311 - sampling, not a secret
            chosen = _choose(self._binding.candidates(job, shown_id=self._shown_id), job, chance)
            yield chosen.token
            data += chosen.data
            if not _is_unfinished(data):
                return


def _choose(
    candidates: Sequence[TokenCandidate], job: GenerationRequest, chance: random.Random
) -> TokenCandidate:
    """Temperature first, then top-p, as the binding does."""
    temperature = job.sampling.temperature
    if temperature <= 0:
        return candidates[0]
    best = candidates[0].token.logprob
    weights = [math.exp((c.token.logprob - best) / temperature) for c in candidates]
    enough = job.sampling.top_p * sum(weights)
    mass, kept = 0.0, 0
    while kept < len(weights) and mass < enough:
        mass += weights[kept]
        kept += 1
    return chance.choices(candidates[:kept], weights[:kept])[0]


def _is_unfinished(data: bytes) -> bool:
    """True if the bytes end inside a character."""
    try:
        data.decode()
    except UnicodeDecodeError as err:
        return err.reason == "unexpected end of data"
    return False
