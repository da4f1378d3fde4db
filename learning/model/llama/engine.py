"""The llama.cpp engine: serves a GGUF file, with adapters exported from PEFT folders."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from learning.model.chat import ChatFormat
from learning.model.context_window import fitting_window, footprint
from learning.model.engine import (
    Capabilities,
    EngineError,
    PromptTooLongError,
    Token,
    Usage,
    check_effect,
)
from learning.model.llama.binding import BRANCHES, GenerationRequest
from learning.model.llama.generation import Generation
from learning.model.llama.process import LlamaProcess
from learning.model.lora_export import export_gguf
from learning.records import Sampling
from learning.training.resources import available_bytes

_PROBE_TOKENS = 4


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
        self._context_length = min(
            model_context, context_length or _window(gguf, hf, model_context)
        )
        self._threads = threads or usable_cores()
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
        generation = Generation(
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
        """See `learning.model.infill.ForeseeingEngine.likeliest`."""
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

    def branches(
        self,
        prompt_ids: Sequence[int],
        *,
        firsts: Sequence[int],
        limit: int,
        ended: Callable[[int], bool],
        adapter: str | None = None,
    ) -> Iterator[tuple[int, Token]]:
        """See `learning.model.infill.FillingEngine.branches`."""
        self.revive()
        binding = self._check(prompt_ids, adapter)
        room = self._context_length - len(prompt_ids) - 1
        job = GenerationRequest(
            ids=tuple(prompt_ids),
            limit=min(limit, room),
            sampling=Sampling(temperature=0.0),
            adapter=list(self._adapters).index(adapter) if adapter is not None else None,
        )
        at_once = max(1, min(BRANCHES, room // (job.limit + 1))) if binding.branching else 1
        for start in range(0, len(firsts), at_once):
            group = firsts[start : start + at_once]
            if binding.branching:
                tokens = binding.branches(job, group, partial(_shifted, ended, start))
            else:
                tokens = self._branch(prompt_ids, group[0], limit, partial(ended, start), adapter)
            with closing(tokens):
                for index, token in tokens:
                    yield start + index, token

    def _branch(
        self,
        prompt_ids: Sequence[int],
        first: int,
        limit: int,
        ended: Callable[[], bool],
        adapter: str | None,
    ) -> Generator[tuple[int, Token]]:
        """One continuation, for a binding that makes one at a time."""
        sampling = Sampling(temperature=0.0, max_tokens=limit)
        tokens = self.generate(
            [*prompt_ids, first],
            sampling=sampling,
            stop_ids=(),
            adapter=adapter,
            cancelled=ended,
        )
        for token in tokens:
            yield 0, token

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
            footprint=footprint(
                self._hf / "config.json", gguf=self._gguf, context_length=self._context_length
            ),
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


def _shifted(ended: Callable[[int], bool], start: int, index: int) -> bool:
    return ended(start + index)


def _window(gguf: Path, hf: Path, model_context: int) -> int:
    return fitting_window(
        hf / "config.json",
        model_context=model_context,
        available_bytes=available_bytes(),
        weights_bytes=gguf.stat().st_size,
    )


def usable_cores() -> int:
    """Cores that this process may run on: more threads than that wait for each other."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
