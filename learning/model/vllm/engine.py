"""The vLLM engine: serves a model folder on a GPU, several replies at once, with PEFT folders as adapters.

vLLM keeps what it has read of a prompt by the *name* of the adapter (and, of late, its path): a name that
is loaded again with other weights is answered from what the old ones had read. So a name belongs to one
file of weights for as long as this engine lives, even where vLLM refused it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from learning.model.engine import (
    Capabilities,
    EngineError,
    PromptTooLongError,
    Token,
    Usage,
    check_effect,
)
from learning.model.vllm.client import CachedTokens, MadeToken
from learning.model.vllm.copies import AdapterCopies
from learning.model.vllm.process import VllmProcess, find_vllm, rank_for
from learning.records import Sampling

DEFAULT_RANK = 64
"""Rank of the largest adapter that can be loaded, unless the server is started for another."""
_AT_ONCE = 16
_PROBE = (1, 2, 3, 4)
"""Any tokens: an adapter with an effect changes how likely the next ones are."""
_PROBE_TOKENS = 4


class VllmEngine:
    """A model folder in a vLLM that this process started; may be used from several threads at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        model_context: int,
        context_length: int | None = None,
        max_rank: int = DEFAULT_RANK,
        program: Path | None = None,
    ) -> None:
        """Start vLLM and load the model.

        Raises:
            EngineError: If it cannot be loaded.
            NotInstalledError: If there is no vLLM that can compute here.
        """
        self._folder, self._name = folder, name
        self._program = program or find_vllm()
        self._max_rank = rank_for(max_rank)
        self._wanted_context = min(model_context, context_length or model_context)
        self._restarting, self._closed = threading.Lock(), threading.Event()
        self._adapters: dict[str, Path] = {}
        self._copies = AdapterCopies()
        self._vllm: VllmProcess | None = None
        try:
            self._vllm = self._start()
            self._context_length = self._vllm.client.context_length() or self._wanted_context
        except BaseException:
            self.close()
            raise

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(token_ids=True, logprobs=True, adapters=True, at_once=_AT_ONCE)

    @property
    def context_length(self) -> int:
        return self._context_length

    @property
    def alive(self) -> bool:
        return self._vllm is not None and self._vllm.alive

    def revive(self) -> None:
        """Start vLLM anew, with its adapters, if it has ended.

        Raises:
            EngineError: If the model was closed, or does not load.
        """
        with self._restarting:
            if self._vllm is None or self._closed.is_set():
                raise EngineError("The model was closed.")
            if self._vllm.alive:
                return
            self._vllm.close()
            self._vllm = self._start()
            try:
                for name, folder in self._adapters.items():
                    self._vllm.client.load(name, folder)
            except EngineError:
                self._vllm.close()
                raise

    def prepare_adapter(self, name: str, folder: Path) -> Callable[[], None]:
        """Hand the adapter over to vLLM, and see that it has an effect.

        vLLM reads a copy, which nobody changes or removes as long as it may read it again.

        Raises:
            EngineError: If the folder is not a LoRA adapter for this model, has no effect, or other
                weights had this name before.
        """
        self._check_rank(name, folder)
        copy = self._copies.copy(name, folder)
        if name in self._adapters:
            return lambda: None
        vllm = self._running(None)
        vllm.client.load(name, copy)
        try:
            base, adapted = (self._probe(vllm, model) for model in (self._name, name))
            check_effect(name, base, adapted)
        except EngineError:
            with suppress(EngineError):
                vllm.client.unload(name)
            raise

        def use() -> None:
            self._adapters[name] = copy

        return use

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
        """See `learning.model.engine.Engine.generate`. A cancelled one ends with its next token."""
        self.revive()
        vllm = self._running(adapter)
        room = self._room(prompt_ids)
        asked = vllm.client.generate(
            adapter or self._name,
            [prompt_ids],
            sampling=replace(sampling, max_tokens=min(sampling.max_tokens, room)),
            stop_ids=stop_ids,
        )
        made = cached = 0
        try:
            with closing(asked):
                for item in asked:
                    if isinstance(item, CachedTokens):
                        cached = item.cached_tokens
                    elif cancelled():
                        return
                    elif item.token.id not in stop_ids:
                        made += 1
                        yield item.token
        finally:
            on_usage(
                Usage(prompt_tokens=len(prompt_ids), cached_tokens=cached, completion_tokens=made)
            )

    def likeliest(
        self, prompt_ids: Sequence[int], *, count: int, adapter: str | None = None
    ) -> Sequence[Token]:
        """See `learning.model.infill.ForeseeingEngine.likeliest`."""
        self.revive()
        vllm = self._running(adapter)
        self._room(prompt_ids)
        return vllm.client.likeliest(adapter or self._name, prompt_ids, count=count)

    def branches(
        self,
        prompt_ids: Sequence[int],
        *,
        firsts: Sequence[int],
        limit: int,
        ended: Callable[[int], bool],
        adapter: str | None = None,
    ) -> Iterator[tuple[int, Token]]:
        """See `learning.model.infill.FillingEngine.branches`; all of them are one request."""
        self.revive()
        vllm = self._running(adapter)
        room = self._room(prompt_ids) - 1
        if not firsts or min(limit, room) < 1:
            return
        asked = vllm.client.generate(
            adapter or self._name,
            [[*prompt_ids, first] for first in firsts],
            sampling=Sampling(temperature=0.0, max_tokens=min(limit, room)),
            stop_ids=(),
        )
        with closing(asked):
            yield from _until_all_ended(asked, len(firsts), ended)

    def close(self) -> None:
        """End vLLM, also one that another thread is starting anew."""
        self._closed.set()
        with self._restarting:
            if self._vllm is not None:
                self._vllm.close()
            self._vllm = None
        self._copies.close()

    def _start(self) -> VllmProcess:
        return VllmProcess(
            self._program,
            self._folder,
            name=self._name,
            context_length=self._wanted_context,
            max_rank=self._max_rank,
            environ=os.environ,
            given_up=self._closed.is_set,
        )

    def _running(self, adapter: str | None) -> VllmProcess:
        if self._vllm is None:
            raise EngineError("The model was closed.")
        if adapter is not None and adapter not in self._adapters:
            raise EngineError(f"The adapter {adapter} is not loaded.")
        return self._vllm

    def _room(self, prompt_ids: Sequence[int]) -> int:
        if not prompt_ids:
            raise EngineError("The prompt is empty.")
        if len(prompt_ids) >= self._context_length:
            raise PromptTooLongError(
                f"The prompt has {len(prompt_ids)} tokens, but the model reads at most "
                f"{self._context_length} including its reply; shorten it."
            )
        return self._context_length - len(prompt_ids)

    def _check_rank(self, name: str, folder: Path) -> None:
        try:
            config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
            rank = int(config["r"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
            raise EngineError(
                f"{folder} is not an adapter folder: its settings are damaged"
            ) from err
        if rank > self._max_rank:
            raise EngineError(
                f"{name} has rank {rank}, and this vLLM was started for {self._max_rank} at most;"
                f" start it with `elagent serve --engine vllm --max-lora-rank {rank_for(rank)}`"
            )

    def _probe(self, vllm: VllmProcess, model: str) -> list[float]:
        """Log-probabilities of the first tokens after a minimal prompt; the first use is slow, too."""
        sampling = Sampling(temperature=0.0, max_tokens=_PROBE_TOKENS)
        asked = vllm.client.generate(model, [_PROBE], sampling=sampling, stop_ids=())
        with closing(asked):
            return [item.token.logprob for item in asked if isinstance(item, MadeToken)]


def _until_all_ended(
    asked: Generator[MadeToken | CachedTokens], count: int, ended: Callable[[int], bool]
) -> Iterator[tuple[int, Token]]:
    going = set(range(count))
    for item in asked:
        if isinstance(item, MadeToken) and item.prompt in going:
            if ended(item.prompt):
                going.discard(item.prompt)
            else:
                yield item.prompt, item.token
        if not going:
            return
