"""Decodes with llama.cpp's batches: drafts are verified, and prompts that were read are kept.

One job at a time, as in `llama_binding`, with the same interface. Prompts that share nothing gain
nothing from a common batch (measured: six were slower than one after the other), so jobs queue;
continuations of one prompt are one job and one batch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from learning.model.engine import Token
from learning.model.llama.binding import BRANCHES, GenerationRequest, Piece, TokenCandidate
from learning.model.llama.gpu_layers import Footprint
from learning.model.llama.library import LlamaContext, Read
from learning.model.llama.prompt_lookup import LONGEST_DRAFT, PromptLookup
from learning.model.token_choice import certain, likeliest, pick
from learning.records import Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_KEPT = 4
"""Prompts that are kept beside each other."""
_BATCH = 128
"""Prompt tokens read at a time: a cancelled job stops at the next batch."""
_CANDIDATES = 512

Cancelled = Callable[[], bool]


@dataclass(slots=True)
class _Kept:
    """A sequence and what it has read, with which adapter."""

    sequence: int
    ids: list[int] = field(default_factory=list)
    adapter: int | None = None
    used: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _BatchOutcome:
    """Tokens that one batch gave, and how many of them a draft had."""

    tokens: tuple[Token, ...]
    accepted: int
    """Number of drafted tokens among them."""
    alone: bool
    """The next token is to be made without a draft: it stood on the edge in this one."""


class LlamaDecoder:
    """A loaded GGUF file with a fixed list of adapters."""

    def __init__(
        self,
        gguf: Path,
        *,
        context_length: int,
        threads: int,
        adapters: Sequence[Path],
        footprint: Footprint | None = None,
    ) -> None:
        """Load everything, on a GPU what fits there.

        Raises:
            CannotDriveError: If llama.cpp's library cannot be driven directly.
            EngineError: If a file cannot be loaded.
        """
        self._cells = context_length
        self._context = LlamaContext(
            gguf,
            cells=context_length,
            sequences=_KEPT + BRANCHES,
            batch=_BATCH,
            threads=threads,
            adapters=adapters,
            footprint=footprint,
        )
        self._kept = [_Kept(sequence) for sequence in range(_KEPT)]
        self._adapter: int | None = None
        self._clock = 0

    def run(self, job: GenerationRequest, cancelled: Cancelled) -> Generator[Piece]:
        """Events of one job: each piece has the tokens of one step.

        Raises:
            EngineError: If llama.cpp fails.
        """
        place, cached = self._place(job, room=job.limit)
        yield Piece(cached_tokens=cached)
        logits = self._read_prompt(place, job.ids, cancelled)
        if logits is None:
            return
        chance = random.Random(job.seed)  # noqa: S311 - sampling, not a secret
        lookup = PromptLookup(job.ids) if job.drafts else None
        last, made = job.ids[-1], 0
        draft: tuple[int, ...] = ()
        rows: Sequence[NDArray[np.float32]] = [logits]
        while True:
            step = _verify(rows, draft, job.sampling, chance, self._context.ends)
            self._keep(place, last, draft, step)
            last = step.tokens[-1].id if step.tokens else last
            told = tuple(token for token in step.tokens if not self._context.ends(token.id))
            made += len(told)
            ended = len(told) < len(step.tokens)
            yield Piece(tokens=told, ended=ended, drafted=len(draft), accepted=step.accepted)
            if ended or made >= job.limit or cancelled():
                return
            if lookup is not None:
                draft = _next_draft(lookup, draft, step, limit=job.limit - made - 1)
            rows = self._read(place, [last, *draft])

    def _keep(self, place: _Kept, last: int, draft: Sequence[int], step: _BatchOutcome) -> None:
        """Forget what was read of a draft and not accepted, and a token that is to be read again."""
        if not draft:
            return
        del place.ids[len(place.ids) - len(draft) - 1 :]
        kept = [last, *(token.id for token in step.tokens)]
        place.ids.extend(kept[:-1])
        self._context.forget(place.sequence, len(place.ids))

    def branches(
        self, job: GenerationRequest, firsts: Sequence[int], ended: Callable[[int], bool]
    ) -> Generator[tuple[int, Token]]:
        """Continue one prompt once after each of at most `BRANCHES` first tokens, all in one batch.

        `ended` is asked before each step whether a branch, by its index, shall go no further. A branch
        also ends at a token with which the model ends, which is not told, and at the job's limit.

        Raises:
            EngineError: If llama.cpp fails.
        """
        place, _ = self._place(job, room=len(firsts) * (job.limit + 1))
        if self._read_prompt(place, job.ids, lambda: all(map(ended, range(len(firsts))))) is None:
            return
        chance = random.Random(job.seed)  # noqa: S311 - sampling, not a secret
        start = len(place.ids)
        last = dict(enumerate(firsts))
        for index in last:
            self._context.share(place.sequence, _KEPT + index)
        try:
            for step in range(job.limit):
                last = {index: token for index, token in last.items() if not ended(index)}
                if not last:
                    return
                rows = self._context.read(
                    [Read(token, start + step, _KEPT + index) for index, token in last.items()]
                )
                for index, row in zip(tuple(last), rows, strict=True):
                    token = pick(row, job.sampling, chance)
                    if self._context.ends(token.id):
                        del last[index]
                        continue
                    last[index] = token.id
                    yield index, token
        finally:
            for index in range(len(firsts)):
                self._context.forget(_KEPT + index)

    def candidates(self, job: GenerationRequest, *, shown_id: int) -> list[TokenCandidate]:
        """The most likely next tokens, best first; `shown_id` is not needed here."""
        del shown_id
        place, _ = self._place(job, room=1)
        logits = self._read_prompt(place, job.ids, lambda: False)
        if logits is None:
            return []
        return [TokenCandidate(token=token, data=b"") for token in likeliest(logits, _CANDIDATES)]

    def _place(self, job: GenerationRequest, *, room: int) -> tuple[_Kept, int]:
        """The sequence with the longest common start, cut to it, and how many tokens that are.

        The last token of a prompt is always read: its logits are needed.
        """
        self._clock += 1
        if self._adapter != job.adapter:
            self._context.use_adapter(job.adapter)
            self._adapter = job.adapter
        ids = list(job.ids)
        shared = {id(kept): _common(kept, ids, job.adapter) for kept in self._kept}
        place = max(self._kept, key=lambda kept: shared[id(kept)])
        common = shared[id(place)]
        if 2 * common < len(place.ids):  # most of it would be lost: take the oldest instead
            source, place = place, min(self._kept, key=lambda kept: kept.used)
            if place is not source:
                self._context.forget(place.sequence)
                self._context.share(source.sequence, place.sequence)
        place.ids, place.adapter, place.used = ids[:common], job.adapter, self._clock
        self._context.forget(place.sequence, common)
        self._make_room(place, len(ids) + room)
        return place, common

    def _make_room(self, place: _Kept, needed: int) -> None:
        """Forget other prompts, the oldest first, until `needed` cells are free for this one."""
        others = sorted((k for k in self._kept if k is not place), key=lambda kept: -kept.used)
        while others and needed + sum(len(kept.ids) for kept in others) > self._cells:
            oldest = others.pop()
            self._context.forget(oldest.sequence)
            oldest.ids = []

    def _read_prompt(
        self, place: _Kept, ids: Sequence[int], cancelled: Cancelled
    ) -> NDArray[np.float32] | None:
        """Read what is missing of a prompt; None if cancelled.

        The last token is read by itself, as when all before it is known: a prompt that is asked again
        gets the same reply.
        """
        rows: Sequence[NDArray[np.float32]] = ()
        while len(place.ids) < len(ids):
            if cancelled():
                return None
            start = len(place.ids)
            chunk = ids[start : min(start + _BATCH, len(ids) - 1)] or ids[start:]
            rows = self._read(place, chunk, all_wanted=False)
        return rows[0]

    def _read(
        self, place: _Kept, tokens: Sequence[int], *, all_wanted: bool = True
    ) -> list[NDArray[np.float32]]:
        start, last = len(place.ids), len(tokens) - 1
        rows = self._context.read(
            [
                Read(token, start + index, place.sequence, all_wanted or index == last)
                for index, token in enumerate(tokens)
            ]
        )
        place.ids.extend(tokens)
        return rows


def _common(kept: _Kept, ids: Sequence[int], adapter: int | None) -> int:
    """Number of first tokens that need not be read again."""
    if kept.adapter != adapter:
        return 0
    most = min(len(kept.ids), len(ids) - 1)
    return next((n for n in range(most) if kept.ids[n] != ids[n]), most)


def _verify(
    rows: Sequence[NDArray[np.float32]],
    draft: Sequence[int],
    sampling: Sampling,
    chance: random.Random,
    ends: Callable[[int], bool],
) -> _BatchOutcome:
    """The model's own choice at each place, up to the first that is not the drafted one or that ends.

    A draft may copy the end of a message and what follows it in the prompt: nothing is said behind an end.

    A draft is read in one batch, whose rounding differs a little from that of single tokens: where the
    two likeliest tokens are almost equal, a greedy reply goes on without a draft. A sampled one draws at
    each place as it would without (the rule of arXiv 2211.17192 for a draft of certain tokens).
    """
    tokens: list[Token] = []
    for index, row in enumerate(rows):
        if draft and sampling.temperature <= 0 and not certain(row):
            return _BatchOutcome(tokens=tuple(tokens), accepted=len(tokens), alone=True)
        tokens.append(pick(row, sampling, chance))
        made = tokens[-1].id
        if index >= len(draft) or made != draft[index] or ends(made):
            break
    return _BatchOutcome(tokens=tuple(tokens), accepted=len(tokens) - 1, alone=False)


def _next_draft(
    lookup: PromptLookup, draft: Sequence[int], step: _BatchOutcome, *, limit: int
) -> tuple[int, ...]:
    for token in step.tokens:
        lookup.push(token.id)
    if draft:
        lookup.judge(len(draft), step.accepted)
    return () if step.alone else lookup.draft(min(LONGEST_DRAFT, limit))
