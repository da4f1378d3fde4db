"""Forward and backward passes through the model, and the gradient of a batch.

Logits exist only at trained positions, and for a few of them at one time, because a vocabulary of
150,000 makes them the largest tensor by far. The gradient of a batch is summed in two halves: a step
is made only if the halves point the same way, and their difference measures the gradient noise scale
(arXiv 1812.06162), the number of examples that a batch is worth having.
Axes: t positions, d width, v vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from torch import Tensor

HEAD_CHUNK = 64
"""Positions whose logits exist at one time: 39 MB for a vocabulary of 151,936 in float32."""


class CausalModel(Protocol):
    """The methods of a transformers model that the learner calls; transformers leaves most untyped."""

    device: torch.device
    config: Any

    def get_decoder(self) -> torch.nn.Module: ...

    def get_output_embeddings(self) -> torch.nn.Module: ...

    def activation_checkpointing_enable(
        self, *, activation_checkpointing_kwargs: Mapping[str, object], every_n_layers: int
    ) -> None: ...

    def train(self) -> object: ...

    def eval(self) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term of the loss: a loss function at some positions, and the weight of each position."""

    positions: Sequence[int]
    loss: Callable[[Tensor, slice], Tensor]
    """Maps the logits (t, v) of a slice of the positions to a loss per position."""
    weight_t: Tensor
    """Weights on the CPU; they sum to the term's share of the loss."""


def backward(base: CausalModel, ids: Sequence[int], terms: Sequence[Term]) -> float:
    """Add the gradient of these terms; returns their weighted loss.

    The head runs on detached hidden states, chunk by chunk; their summed gradient then goes back
    through the layers once.
    """
    hidden_td = _hidden_of(base, ids, terms)
    detached_td = hidden_td.detach().requires_grad_()
    total = 0.0
    for loss in _losses(base, detached_td, terms):
        torch.autograd.backward(loss)
        total += float(loss.detach())
    torch.autograd.backward(hidden_td, detached_td.grad)
    return total


@torch.no_grad()
def measure(base: CausalModel, ids: Sequence[int], terms: Sequence[Term]) -> float:
    """The weighted loss of these terms, without a gradient."""
    hidden_td = _hidden_of(base, ids, terms)
    return sum(float(loss) for loss in _losses(base, hidden_td, terms))


def logits(base: CausalModel, hidden_td: Tensor) -> Tensor:
    """Logits (t, v) of some hidden states."""
    result: Tensor = base.get_output_embeddings()(hidden_td)
    return result


def chunks(length: int, size: int = HEAD_CHUNK) -> Iterator[slice]:
    """Slices of at most `size` that cover `length`."""
    return (slice(start, start + size) for start in range(0, length, size))


class SharedPrefix:
    """Reads several continuations of one prefix, whose keys and values are computed once.

    For M + K + 1 contexts that share a prompt of P tokens this saves P · (M + K) token passes. It keeps
    no gradient and is for frozen weights only.
    """

    def __init__(self, base: CausalModel, prefix: Sequence[int]) -> None:
        from transformers import DynamicCache

        self._base = base
        self._cache = DynamicCache(config=base.config)
        if prefix:
            self._read(prefix)

    def hidden(self, rest: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Last hidden states (t, d) that predict the tokens of `rest` at these positions."""
        hidden_td = self._read(rest)[[position - 1 for position in positions]]
        self._cache.crop(-len(rest))  # negative: how many to remove
        return hidden_td

    def _read(self, ids: Sequence[int]) -> Tensor:
        hidden_1td = self._base.get_decoder()(
            input_ids=torch.tensor([list(ids)], device=self._base.device),
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        hidden_td: Tensor = hidden_1td[0]
        return hidden_td


def _hidden_of(base: CausalModel, ids: Sequence[int], terms: Sequence[Term]) -> Tensor:
    """Last hidden states that predict the tokens of all terms, term after term."""
    ids_1t = torch.tensor([list(ids)], device=base.device)
    hidden_1td = base.get_decoder()(input_ids=ids_1t, use_cache=False).last_hidden_state
    wanted = [position - 1 for term in terms for position in term.positions]
    hidden_td: Tensor = hidden_1td[0, wanted]
    return hidden_td


def _losses(base: CausalModel, hidden_td: Tensor, terms: Sequence[Term]) -> Iterator[Tensor]:
    start = 0
    for term in terms:
        rows_td = hidden_td[start : start + len(term.positions)]
        start += len(term.positions)
        for rows in chunks(len(term.positions)):
            loss_t = term.loss(logits(base, rows_td[rows]), rows)
            yield (loss_t * term.weight_t[rows].to(loss_t.device)).sum()


class HalvedGradient:
    """The gradient of one optimiser step, summed over its examples in two halves."""

    def __init__(self, weights: Sequence[torch.nn.Parameter]) -> None:
        self._weights = weights
        self._sums: tuple[list[Tensor] | None, list[Tensor] | None] = (None, None)
        self.counts = [0, 0]

    @property
    def examples(self) -> int:
        return sum(self.counts)

    def take(self) -> None:
        """Add the gradient of one more example to the smaller half and clear it in the parameters."""
        half = 0 if self.counts[0] <= self.counts[1] else 1
        fresh = [_gradient(weight) for weight in self._weights]
        sums = self._sums[half]
        if sums is None:
            sums = fresh
        else:
            for total, gradient in zip(sums, fresh, strict=True):
                total.add_(gradient)
        self._sums = (sums, self._sums[1]) if half == 0 else (self._sums[0], sums)
        self.counts[half] += 1
        for weight in self._weights:
            weight.grad = None

    def put(self) -> None:
        """Set the parameters' gradients to the mean over all examples."""
        first, second = self._sums
        for number, weight in enumerate(self._weights):
            total = _sum(half[number] for half in (first, second) if half is not None)
            weight.grad = total / max(1, self.examples)

    def cosine(self) -> float | None:
        """Cosine between the halves; None with fewer than two examples or a half that is zero."""
        first, second = self._sums
        if first is None or second is None:
            return None
        norms = _dot(first, first) * _dot(second, second)
        return None if norms <= 0 else _dot(first, second) / norms**0.5

    def noise_scale(self) -> float | None:
        """tr(Σ) / |G|² in examples; None if the halves have no common direction.

        With means a and b of n examples each, |a - b|² / 2 estimates tr(Σ) / n, and a · b |G|².
        """
        first, second = self._sums
        if first is None or second is None:
            return None
        m, n = self.counts
        signal = _dot(first, second) / (m * n)
        apart = _dot(first, first) / m**2 - 2 * signal + _dot(second, second) / n**2
        return None if signal <= 0 else apart / (1 / m + 1 / n) / signal


def _gradient(weight: torch.nn.Parameter) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad.detach()


def _sum(parts: Iterable[Tensor]) -> Tensor:
    first, *rest = parts
    total = first.clone()
    for part in rest:
        total += part
    return total


def _dot(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    products = [(a.double() * b.double()).sum() for a, b in zip(first, second, strict=True)]
    return float(torch.stack(products).sum())
