"""The gradient of a batch in two halves: do they agree, and how noisy is one example.

A step is made only when the halves point the same way; their difference measures the gradient
noise scale (arXiv 1812.06162), which says how many examples a batch is worth having.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


class HalvedGradient:
    """Collects gradients of examples in two halves. One object per optimiser step."""

    def __init__(self, weights: Sequence[torch.nn.Parameter]) -> None:
        self._weights = weights
        self._sums: tuple[list[Tensor] | None, list[Tensor] | None] = (None, None)
        self.counts = [0, 0]

    @property
    def examples(self) -> int:
        return sum(self.counts)

    def take(self) -> None:
        """Move the parameters' gradients, of one more example, into the smaller half."""
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
        """Give the parameters the mean gradient over all examples."""
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
        """tr(Σ) / |G|² in examples; None where the halves tell of no common direction.

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
