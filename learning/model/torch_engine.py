"""The torch engine: transformers and peft. Serves on a GPU, scores given tokens anywhere.

Keeps the KV cache of the last conversation: a following turn reads only what is new in it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learning.model.engine import (
    Capabilities,
    EngineError,
    PromptTooLongError,
    Token,
    Usage,
    check_effect,
)
from learning.model.torch_loading import load_base
from learning.records import Sampling

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_CONTEXT = 8192
_BATCH = 256
"""Prompt tokens read at a time: a cancelled request stops at the next batch."""
_PROBE = (1, 2, 3, 4)
"""Any tokens: an adapter with an effect changes how likely they are."""


def _check_header(weights: Path) -> None:
    """Refuse weights with a wrong header before the model is changed.

    Raises:
        EngineError: If the header is wrong or the file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="numpy"):
            pass
    except (OSError, ValueError, SafetensorError) as err:
        reason = str(err).strip().partition("\n")[0]
        raise EngineError(f"{weights} is not the file of an adapter: {reason}") from err


class TorchEngine:
    """A model folder in this process."""

    def __init__(
        self,
        hf: Path,
        *,
        model_context: int,
        context_length: int | None = None,
        device: str = "auto",
    ) -> None:
        """Load the model.

        Raises:
            EngineError: If it cannot be loaded.
        """
        self._model: Any
        self._model, _ = load_base(hf, device=device)
        self._context_length = min(model_context, context_length or DEFAULT_CONTEXT)
        self._adapters: dict[str, str] = {}  # our names may have dots, those of peft may not
        self._active: str | None = None
        self._cache: Any = None
        self._cached_ids: list[int] = []
        self._cached_adapter: str | None = None

    @property
    def alive(self) -> bool:
        return True

    def revive(self) -> None:
        """Do nothing: this engine lives and dies with its process."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(token_ids=True, logprobs=True, adapters=True)

    @property
    def context_length(self) -> int:
        return self._context_length

    def prepare_adapter(self, name: str, folder: Path) -> Callable[[], None]:
        """Do nothing slow: the weights are few, and are added to the model between replies."""
        return lambda: self._add_adapter(name, folder)

    def _add_adapter(self, name: str, folder: Path) -> None:
        """Add a PEFT folder beside the base weights.

        Raises:
            EngineError: If the folder is not an adapter that fits this model, or has no effect.
        """
        from peft import PeftModel

        if name in self._adapters:
            return
        inner = f"adapter{len(self._adapters)}"
        _check_header(folder / "adapter_model.safetensors")
        try:
            with warnings.catch_warnings():
                # peft 0.21 asks transformers 5 for an attribute that version 6 renames.
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
                if self._adapters:
                    self._model.load_adapter(str(folder), adapter_name=inner)
                else:
                    self._model = PeftModel.from_pretrained(
                        self._model, str(folder), adapter_name=inner
                    )
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as err:
            reason = (str(err).strip() or type(err).__name__).splitlines()[0]
            raise EngineError(f"The adapter {folder.name} does not fit: {reason}") from err
        self._model.eval()
        self._model.base_model.disable_adapter_layers()
        self._active = None
        self._adapters[name] = inner
        try:
            base, adapted = (self.score(_PROBE, _PROBE, adapter=a) for a in (None, name))
            check_effect(name, base, adapted)
        except EngineError:
            del self._adapters[name]
            raise

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
        self._check(len(prompt_ids), adapter)
        reused = self._reuse(prompt_ids, adapter)
        room = min(sampling.max_tokens, self._context_length - len(prompt_ids))
        made = 0
        try:
            logits = self._read(prompt_ids[reused:], adapter, cancelled)
            chooser = _Chooser(sampling, self._model.device)
            while logits is not None and made < room and not cancelled():
                token = chooser.choose(logits)
                if token.id in stop_ids:
                    return
                made += 1
                yield token
                logits = self._read([token.id], adapter, cancelled) if made < room else None
        finally:
            on_usage(
                Usage(prompt_tokens=len(prompt_ids), cached_tokens=reused, completion_tokens=made)
            )

    def score(
        self, prompt_ids: Sequence[int], token_ids: Sequence[int], *, adapter: str | None = None
    ) -> tuple[float, ...]:
        """Natural log-probability of each of `token_ids` after `prompt_ids`."""
        import torch

        self._check(len(prompt_ids) + len(token_ids) - 1, adapter)
        if not token_ids:
            return ()
        ids = torch.tensor([[*prompt_ids, *token_ids]], device=self._model.device)
        self._activate(adapter)
        with torch.inference_mode():
            logits_btv = self._model(
                input_ids=ids[:, :-1], use_cache=False, logits_to_keep=len(token_ids)
            ).logits
            logprobs_tv = torch.log_softmax(logits_btv[0].float(), dim=-1)
            chosen_t = logprobs_tv.gather(1, ids[0, len(prompt_ids) :, None])[:, 0]
        return tuple(chosen_t.tolist())

    def next_logprobs(
        self, prompt_ids: Sequence[int], choices: Sequence[int], *, adapter: str | None = None
    ) -> tuple[float, ...]:
        """Natural log-probability of each choice as the next token, from one reading.

        What the prompt shares with the one before it is not read again.
        """
        import torch

        self._check(len(prompt_ids), adapter)
        reused = self._reuse(prompt_ids, adapter)
        logits_v = self._read(prompt_ids[reused:], adapter, lambda: False)
        assert logits_v is not None  # noqa: S101 - nothing cancels it
        logprobs_v = torch.log_softmax(logits_v, dim=-1)
        return tuple(logprobs_v[list(choices)].tolist())

    def close(self) -> None:
        """Free the weights."""
        self._model = self._cache = None
        self._cached_ids = []

    def _check(self, length: int, adapter: str | None) -> None:
        if self._model is None:
            raise EngineError("The model was closed.")
        if adapter is not None and adapter not in self._adapters:
            raise EngineError(f"The adapter {adapter} is not loaded.")
        if length >= self._context_length:
            raise PromptTooLongError(
                f"The prompt has {length} tokens, but the model reads at most "
                f"{self._context_length} including its reply; shorten it."
            )
        if length < 1:
            raise EngineError("The prompt is empty.")

    def _activate(self, adapter: str | None) -> None:
        """Switch peft's layers, only when something changes: it walks all of them."""
        if adapter == self._active or not self._adapters:
            return
        if adapter is None:
            self._model.base_model.disable_adapter_layers()
        else:
            self._model.base_model.enable_adapter_layers()
            self._model.set_adapter(self._adapters[adapter], inference_mode=True)
        self._active = adapter

    def _reuse(self, prompt_ids: Sequence[int], adapter: str | None) -> int:
        """Cut the cache to the prefix that it shares with the prompt; return the prefix's length."""
        from transformers import DynamicCache

        shared = 0
        if self._cache is not None and adapter == self._cached_adapter:
            limit = min(len(prompt_ids) - 1, len(self._cached_ids))
            while shared < limit and prompt_ids[shared] == self._cached_ids[shared]:
                shared += 1
            if shared < len(self._cached_ids):
                self._cache.crop(shared - len(self._cached_ids))  # negative: how many to remove
            if self._cache.get_seq_length() != shared:  # sliding windows cannot be cut back
                shared = 0
        if shared == 0:
            self._cache = DynamicCache(config=self._model.config)
        self._cached_ids = list(prompt_ids[:shared])
        self._cached_adapter = adapter
        return shared

    def _read(
        self, ids: Sequence[int], adapter: str | None, cancelled: Callable[[], bool]
    ) -> Tensor | None:
        """Read tokens into the cache; the logits after the last one, None when cancelled."""
        import torch

        logits: Tensor | None = None
        self._activate(adapter)
        with torch.inference_mode():
            for start in range(0, len(ids), _BATCH):
                if cancelled():
                    return None
                batch = list(ids[start : start + _BATCH])
                output = self._model(
                    input_ids=torch.tensor([batch], device=self._model.device),
                    past_key_values=self._cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
                self._cached_ids += batch
                logits = output.logits[0, -1].float()
        return logits


class _Chooser:
    """Draws tokens: temperature first, then top-p, as transformers does."""

    def __init__(self, sampling: Sampling, device: Any) -> None:  # noqa: ANN401 - torch.device
        import torch

        self._sampling = sampling
        self._generator = torch.Generator(device=device).manual_seed(sampling.seed)

    def choose(self, logits_v: Tensor) -> Token:
        import torch

        logprobs_v = torch.log_softmax(logits_v, dim=-1)
        if self._sampling.temperature <= 0:
            chosen = int(logprobs_v.argmax())
        else:
            probs_v = torch.softmax(logits_v / self._sampling.temperature, dim=-1)
            if self._sampling.top_p < 1:
                probs_v = _nucleus(probs_v, self._sampling.top_p)
            chosen = int(torch.multinomial(probs_v, 1, generator=self._generator))
        return Token(id=chosen, logprob=float(logprobs_v[chosen]))


def _nucleus(probs_v: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of most likely tokens whose mass reaches `top_p`."""
    sorted_v, order_v = probs_v.sort(descending=True)
    beyond_v = sorted_v.cumsum(0) - sorted_v >= top_p
    return probs_v.index_fill(0, order_v[beyond_v], 0.0)
