"""The state of a round between its steps: figures, weights and optimiser, and how they are resumed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from learning.training.teacher import save

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """Figures of one optimiser step."""

    step: int
    loss: float
    grad_norm: float
    seconds: float
    tokens: int
    """Tokens read by the student in this step."""
    batches: int
    """Batches of the schedule used so far, this step's included."""
    examples: int
    cosine: float | None
    """Cosine between the two halves of the batch; None with one example."""
    noise_scale: float | None
    """Batch size at which the gradient's noise equals its signal; None if unknown."""
    held_out: float | None
    """Loss on the examples that are only measured; None if not measured at this step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReport:
    """All steps of a round, including those before an interruption."""

    steps: tuple[StepReport, ...]
    stopped_by_budget: bool = False
    stopped_early: bool = False
    """True if the loss on the examples that are only measured had risen twice in a row."""
    reading: Mapping[str, float] = field(default_factory=dict)
    """Figures of the targets, see `learning.training.teacher.describe`."""


def save_checkpoint(
    folder: Path,
    weights: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    done: Sequence[StepReport],
) -> None:
    """Write the trained weights, the optimiser's state and the figures of all steps, whole or not at all."""
    state: dict[str, Any] = {
        "weights": {name: weight.detach() for name, weight in weights.items()},
        "optimizer": optimizer.state_dict(),
        "steps": [dataclasses.asdict(step) for step in done],
    }
    save(folder / CHECKPOINT, state)


def resume(
    folder: Path, weights: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> list[StepReport]:
    """Restore the last written state in place and return its steps; none if nothing was written."""
    if not (folder / CHECKPOINT).exists():
        return []
    state = torch.load(folder / CHECKPOINT, weights_only=True)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(state["weights"][name])
    optimizer.load_state_dict(state["optimizer"])
    return [StepReport(**step) for step in state["steps"]]
