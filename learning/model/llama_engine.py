"""The llama.cpp engine: serves a GGUF file, with adapters exported from PEFT folders.

The binding hides tokens in the middle of a character and ends at marks of its own choice. Both
are corrected here, so that ids and log-probabilities are exactly those of the model.
"""

from __future__ import annotations

import math
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from learning.model.chat import ChatFormat
from learning.model.engine import (
    Capabilities,
    EngineError,
    PromptTooLongError,
    Token,
    Usage,
    check_effect,
)
from learning.model.llama_binding import GenerationRequest, Piece, TokenCandidate
from learning.model.llama_process import LlamaProcess
from learning.model.lora_export import export_gguf
from learning.records import Sampling

DEFAULT_CONTEXT = 8192
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_PROBE_TOKENS = 4
_RUN_TOKENS = 256
"""Tokens asked for at a time: bounds how long hidden tokens can go unnoticed."""


class LlamaEngine:
    """A GGUF model in a process of its own, on all cores that this process may use."""

    def __init__(
        self,
        gguf: Path,
        hf: Path,
        *,
        model_context: int,
        context_length: int | None = None,
        threads: int | None = None,
    ) -> None:
        """Load the model; `hf` is the folder converted from the same file.

        Raises:
            EngineError: If the file cannot be loaded.
        """
        self._gguf, self._hf = gguf, hf
        self._context_length = min(model_context, context_length or DEFAULT_CONTEXT)
        self._threads = threads or _usable_cores()
        self._adapters: dict[str, Path] = {}
        self._chat = ChatFormat.load(hf)
        self._shown_id = self._chat.encode_text("a")[0]
        self._binding: LlamaProcess | None = self._start(())
        self._scratch = tempfile.TemporaryDirectory(prefix="elagent-adapters-")

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(token_ids=True, logprobs=True, adapters=True)

    @property
    def context_length(self) -> int:
        return self._context_length

    @property
    def alive(self) -> bool:
        return self._binding is not None and self._binding.alive

    def revive(self) -> None:
        """Start llama.cpp anew if its process has died, as a memory killer may end it.

        Raises:
            EngineError: If the model was closed, or does not load.
        """
        if self._binding is None:
            raise EngineError("The model was closed.")
        if not self._binding.alive:
            self._binding.close()
            self._binding = self._start(tuple(self._adapters.values()))

    def prepare_adapter(self, name: str, folder: Path) -> Callable[[], None]:
        """Export the adapter and start a second instance with it, which then replaces the first.

        One at a time: the second instance has the adapters that are loaded when it starts.

        Raises:
            EngineError: If the folder is not a LoRA adapter for this model, or has no effect.
        """
        if name in self._adapters:
            return lambda: None
        path = Path(self._scratch.name) / f"{len(self._adapters)}.gguf"
        export_gguf(folder, self._hf, path)
        binding = self._start((*self._adapters.values(), path))
        try:
            # the first use is slow, too: it is made here
            base, adapted = (self._probe(binding, i) for i in (None, len(self._adapters)))
            check_effect(name, base, adapted)
        except EngineError:
            binding.close()
            raise

        def use() -> None:
            before, self._binding = self._binding, binding
            self._adapters[name] = path
            if before is not None:
                before.close()

        return use

    def _probe(self, binding: LlamaProcess, adapter: int | None) -> list[float]:
        """Log-probabilities of the first tokens after a minimal prompt."""
        job = GenerationRequest(
            ids=[self._shown_id],
            limit=_PROBE_TOKENS,
            sampling=Sampling(temperature=0.0),
            adapter=adapter,
        )
        pieces = binding.run(job, lambda: False)
        return [token.logprob for piece in pieces for token in piece.tokens]

    def generate(
        self,
        prompt_ids: Sequence[int],
        *,
        sampling: Sampling,
        stop_ids: Sequence[int],
        adapter: str | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        on_usage: Callable[[Usage], None] = lambda _: None,
    ) -> Iterator[Token]:
        """See `learning.model.engine.Engine.generate`."""
        self.revive()
        binding = self._check(prompt_ids, adapter)
        generation = _Generation(
            binding=binding,
            job=GenerationRequest(
                ids=tuple(prompt_ids),
                limit=min(sampling.max_tokens, self._context_length - len(prompt_ids)),
                sampling=sampling,
                adapter=list(self._adapters).index(adapter) if adapter is not None else None,
            ),
            stop_ids=frozenset(stop_ids),
            shown_id=self._shown_id,
            decode=self._chat.decode,
            cancelled=cancelled,
        )
        try:
            yield from generation.tokens()
        finally:
            on_usage(generation.usage())

    def likeliest(
        self, prompt_ids: Sequence[int], *, count: int, adapter: str | None = None
    ) -> Sequence[Token]:
        """See `learning.model.infill.FillingEngine.likeliest`."""
        self.revive()
        binding = self._check(prompt_ids, adapter)
        job = GenerationRequest(
            ids=tuple(prompt_ids),
            limit=1,
            sampling=Sampling(temperature=0.0),
            adapter=list(self._adapters).index(adapter) if adapter is not None else None,
        )
        found = binding.candidates(job, shown_id=self._shown_id)
        return [candidate.token for candidate in found[:count]]

    def close(self) -> None:
        """Free the weights."""
        if self._binding is not None:
            self._binding.close()
        self._binding = None
        self._scratch.cleanup()

    def _start(self, adapters: Sequence[Path]) -> LlamaProcess:
        return LlamaProcess(
            self._gguf,
            context_length=self._context_length,
            threads=self._threads,
            adapters=adapters,
        )

    def _check(self, prompt_ids: Sequence[int], adapter: str | None) -> LlamaProcess:
        if self._binding is None:
            raise EngineError("The model was closed.")
        if adapter is not None and adapter not in self._adapters:
            raise EngineError(f"The adapter {adapter} is not loaded.")
        if not prompt_ids:
            raise EngineError("The prompt is empty.")
        if len(prompt_ids) >= self._context_length:
            raise PromptTooLongError(
                f"The prompt has {len(prompt_ids)} tokens, but the model reads at most "
                f"{self._context_length} including its reply; shorten it."
            )
        return self._binding


class _Generation:
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

    def usage(self) -> Usage:
        return Usage(
            prompt_tokens=len(self._job.ids),
            cached_tokens=self._cached_tokens or 0,
            completion_tokens=len(self._made),
        )

    def tokens(self) -> Iterator[Token]:
        while len(self._made) < self._job.limit and not self._cancelled():
            before = len(self._made)
            for token in self._run():
                if token.id in self._stop_ids:
                    return
                self._made.append(token.id)
                yield token
            if len(self._made) == before:
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


def _usable_cores() -> int:
    """Cores that this process may run on: more threads than that wait for each other."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
