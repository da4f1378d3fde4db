"""Forward and backward passes through the model, and the gradient of a batch.

Rows are read in packs (see `packing`). Logits exist only at trained positions, and for some of them at
one time, because a vocabulary of 150,000 makes them the largest tensor by far. The gradient of a batch is summed in two halves: a step
is made only if the halves point the same way, and their difference measures the gradient noise scale
(arXiv 1812.06162), the number of examples that a batch is worth having.
Axes: t positions, d width, v vocabulary.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from learning.training.causal_model import CausalModel
from learning.training.packing import read

if TYPE_CHECKING:
    from torch import Tensor

HEAD_CHUNK = 128
"""Positions whose logits exist at one time: 78 MB for a vocabulary of 151,936 in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term of the loss: a loss function at some positions, and the weight of each position."""

    positions: Sequence[int]
    loss: Callable[[Tensor, slice], Tensor]
    """Maps the logits (t, v) of a slice of the positions to a loss per position."""
    weight_t: Tensor
    """Weights on the CPU; they sum to the term's share of the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One row that the student reads: token ids and the terms of the loss on them."""

    ids: tuple[int, ...]
    terms: tuple[Term, ...]


def backward(base: CausalModel, rows: Sequence[Pass]) -> float:
    """Add the gradient of these rows, read as one pack; returns the sum of their weighted losses.

    The head runs on detached hidden states, chunk by chunk; their summed gradient then goes back
    through the layers once.
    """
    hidden_td = _hidden_of(base, rows)
    detached_td = hidden_td.detach().requires_grad_()
    total = 0.0
    for loss in _losses(base, detached_td, rows):
        torch.autograd.backward(loss)
        total += float(loss.detach())
    torch.autograd.backward(hidden_td, detached_td.grad)
    return total


@torch.no_grad()
def measure(base: CausalModel, rows: Sequence[Pass]) -> float:
    """The weighted loss of these rows, without a gradient."""
    hidden_td = _hidden_of(base, rows)
    return sum(float(loss) for loss in _losses(base, hidden_td, rows))


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


def _hidden_of(base: CausalModel, rows: Sequence[Pass]) -> Tensor:
    """Last hidden states that predict the tokens of all terms, row after row and term after term."""
    starts = itertools.accumulate((len(row.ids) for row in rows), initial=0)
    wanted = [
        start + position - 1
        for start, row in zip(starts, rows, strict=False)
        for term in row.terms
        for position in term.positions
    ]
    hidden_td: Tensor = read(base, [row.ids for row in rows])[wanted]
    return hidden_td


def _losses(base: CausalModel, hidden_td: Tensor, rows: Sequence[Pass]) -> Iterator[Tensor]:
    """The loss of each chunk of the head's positions; one chunk may hold parts of several terms."""
    terms = [term for row in rows for term in row.terms]
    starts = list(itertools.accumulate((len(term.positions) for term in terms), initial=0))
    for chunk in chunks(len(hidden_td), HEAD_CHUNK):
        logits_tv = logits(base, hidden_td[chunk])
        parts = []
        for term, start in zip(terms, starts, strict=False):
            first, last = max(chunk.start, start), min(chunk.stop, start + len(term.positions))
            if first < last:
                inside = slice(first - start, last - start)
                loss_t = term.loss(logits_tv[first - chunk.start : last - chunk.start], inside)
                parts.append((loss_t * term.weight_t[inside].to(loss_t.device)).sum())
        yield torch.stack(parts).sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of the two halves of a batch's gradient, as a cosine."""

    cosine: float | None
    """None with fewer than two examples or a half that is zero."""
    noise_scale: float | None
    """tr(Σ) / |G|² in examples; None if the halves have no common direction."""


class HalvedGradient:
    """The gradient of one optimiser step, summed over its examples in two halves."""

    def __init__(self, weights: Sequence[torch.nn.Parameter]) -> None:
        self._weights = weights
        self._sums: tuple[list[Tensor] | None, list[Tensor] | None] = (None, None)
        self.counts = [0, 0]

    @property
    def examples(self) -> int:
        return sum(self.counts)

    def next_half(self, taken: Sequence[int] = (0, 0)) -> int:
        """The half of the next example, the smaller one, when so many more are in each."""
        first, second = (count + more for count, more in zip(self.counts, taken, strict=True))
        return 0 if first <= second else 1

    def take(self, half: int, *, examples: int = 1) -> None:
        """Add the gradient of these examples to a half and clear it in the parameters."""
        fresh = [_gradient(weight) for weight in self._weights]
        sums = self._sums[half]
        if sums is None:
            sums = fresh
        else:
            for total, gradient in zip(sums, fresh, strict=True):
                total.add_(gradient)
        self._sums = (sums, self._sums[1]) if half == 0 else (self._sums[0], sums)
        self.counts[half] += examples
        for weight in self._weights:
            weight.grad = None

    def put(self) -> None:
        """Set the parameters' gradients to the mean over all examples."""
        first, second = self._sums
        for number, weight in enumerate(self._weights):
            total = _sum(half[number] for half in (first, second) if half is not None)
            weight.grad = total / max(1, self.examples)

    def agreement(self) -> Agreement:
        """Cosine and noise scale of the halves.

        With means a and b of n examples each, |a - b|² / 2 estimates tr(Σ) / n, and a · b |G|².
        """
        first, second = self._sums
        if first is None or second is None:
            return Agreement(cosine=None, noise_scale=None)
        across, one, other = _dot(first, second), _dot(first, first), _dot(second, second)
        m, n = self.counts
        signal = across / (m * n)
        apart = one / m**2 - 2 * signal + other / n**2
        return Agreement(
            cosine=None if one * other <= 0 else across / (one * other) ** 0.5,
            noise_scale=None if signal <= 0 else apart / (1 / m + 1 / n) / signal,
        )


def _gradient(weight: torch.nn.Parameter) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad.detach()


def _sum(parts: Iterable[Tensor]) -> Tensor:
    first, *rest = parts
    total = first.clone()
    for part in rest:
        total += part
    return total


def _dot(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    products = [
        torch.dot(a.flatten().double(), b.flatten().double())
        for a, b in zip(first, second, strict=True)
    ]
    return float(torch.stack(products).sum())
