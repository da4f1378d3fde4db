"""Activations of the frozen lower half, where only the upper half of the layers learns.

The lower half gives a row the same activations whenever it is read, so they are computed once and kept
on the disk (PAC, arXiv 2408.10746, which keeps those of all frozen layers beside a side network): the
second time a row is read costs half as much. 190 tokens of the default model are 580 kB.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from learning.training.causal_model import CausalModel

_PLAIN = frozenset({"llama", "qwen2", "qwen3"})
"""Architectures whose layers read embeddings as they are."""


class UpperHalf:
    """Reads rows as the whole model does, but takes the activations of the lower half from the disk."""

    def __init__(self, base: CausalModel, first: int, folder: Path) -> None:
        self._base = base
        self._first = first
        self._folder = folder
        self.device = base.device
        self.config = base.config

    def get_output_embeddings(self) -> torch.nn.Module:
        return self._base.get_output_embeddings()

    def get_decoder(self) -> Callable[..., Any]:
        return self._read

    def activation_checkpointing_enable(
        self, *, activation_checkpointing_kwargs: Mapping[str, object], every_n_layers: int
    ) -> None:
        self._base.activation_checkpointing_enable(
            activation_checkpointing_kwargs=activation_checkpointing_kwargs,
            every_n_layers=every_n_layers,
        )

    def train(self) -> object:
        return self._base.train()

    def eval(self) -> object:
        return self._base.eval()

    def _read(
        self,
        *,
        input_ids: Tensor,
        position_ids: Tensor,
        cu_seq_lens_q: Tensor | None = None,
        **settings: Any,  # noqa: ANN401 - handed on as it came
    ) -> Any:  # noqa: ANN401 - an output of transformers
        """One pass through the upper half, for one row or a pack."""
        decoder: Any = self._base.get_decoder()
        ids_t = input_ids[0]
        borders_r = torch.tensor([0, len(ids_t)]) if cu_seq_lens_q is None else cu_seq_lens_q
        rows = torch.split(ids_t, borders_r.diff().tolist())
        lower_td = torch.cat([self._lower(decoder, row_t) for row_t in rows])
        if cu_seq_lens_q is not None:
            settings["cu_seq_lens_q"] = cu_seq_lens_q
        with _layers(decoder, decoder.layers[self._first :], decoder.norm):
            return decoder(inputs_embeds=lower_td[None], position_ids=position_ids, **settings)

    def _lower(self, decoder: Any, ids_t: Tensor) -> Tensor:  # noqa: ANN401
        """The input (t, d) of the upper half for one row."""
        digest = hashlib.sha256(repr(ids_t.tolist()).encode()).hexdigest()[:32]
        path = self._folder / f"{digest}.pt"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".tmp-{path.name}")
            torch.save(self._computed(decoder, ids_t), temporary)
            temporary.replace(path)
        kept_td: Tensor = torch.load(path, weights_only=True)
        return kept_td.to(self.device)

    @torch.no_grad()
    def _computed(self, decoder: Any, ids_t: Tensor) -> Tensor:  # noqa: ANN401
        with _layers(decoder, decoder.layers[: self._first], torch.nn.Identity()):
            hidden_1td = decoder(
                input_ids=ids_t[None],
                use_cache=False,
                cu_seq_lens_q=torch.tensor([0, len(ids_t)]),
            ).last_hidden_state
        hidden_td: Tensor = hidden_1td[0].cpu()
        return hidden_td


@contextlib.contextmanager
def _layers(decoder: Any, layers: Any, norm: torch.nn.Module) -> Iterator[None]:  # noqa: ANN401
    """Let the decoder be only these layers and this norm behind them."""
    whole = decoder.layers, decoder.norm
    decoder.layers, decoder.norm = layers, norm
    try:
        yield
    finally:
        decoder.layers, decoder.norm = whole


def reader_of(base: CausalModel, weights: Iterable[str], folder: Path) -> CausalModel:
    """The model, or its upper half where none of these trained weights is below it."""
    first = min((int(name.split(".layers.")[1].split(".")[0]) for name in weights), default=0)
    if first == 0 or base.config.model_type not in _PLAIN:
        return base
    return UpperHalf(base, first, folder)
