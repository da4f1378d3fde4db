"""Defines what the learner needs of a transformers model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


class CausalModel(Protocol):
    """The methods of a transformers model that the learner calls; transformers leaves most untyped."""

    device: torch.device
    config: Any

    def get_decoder(self) -> Callable[..., Any]: ...

    def get_output_embeddings(self) -> torch.nn.Module: ...

    def activation_checkpointing_enable(
        self, *, activation_checkpointing_kwargs: Mapping[str, object], every_n_layers: int
    ) -> None: ...

    def train(self) -> object: ...

    def eval(self) -> object: ...
