"""How likely a model finds accepted fixes that it never learned: a line beside the gates, no gate.

After VR-CLI (arXiv 2503.22828), which rewards a text for making a known continuation more likely. Here
it is asked of an adapter's weights, and nothing is rewarded by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from learning.training.passes import CausalModel, Term, measure
from learning.training.prepare import Prepared

if TYPE_CHECKING:
    from torch import Tensor


def log_likelihoods(base: CausalModel, fixes: Sequence[Prepared]) -> list[float]:
    """Mean log-probability, in nats, of each fix's changed tokens at the prompt that had failed."""
    return [-measure(base, fix.ids, [_likelihood(fix)]) for fix in fixes]


def _likelihood(fix: Prepared) -> Term:
    targets_t = torch.tensor([fix.ids[position] for position in fix.positions])
    count = len(fix.positions)

    def loss(logits_tv: Tensor, rows: slice) -> Tensor:
        return torch.nn.functional.cross_entropy(
            logits_tv.float(), targets_t[rows].to(logits_tv.device), reduction="none"
        )

    return Term(positions=fix.positions, loss=loss, weight_t=torch.full((count,), 1 / count))
