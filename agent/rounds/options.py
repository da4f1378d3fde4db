"""Options of a learning round, and their values from the settings, the same for every front end."""

from __future__ import annotations

from dataclasses import dataclass

from agent.settings.schema import LearnSettings
from learning.records import Origin
from learning.training.job import API_KINDS, ExampleKind, Layers
from learning.training.selection import ALL_KINDS

__all__ = ["ALL_KINDS", "API_KINDS", "ExampleKind", "LearnOptions", "Origin", "round_options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnOptions:
    """Options of one learning round."""

    max_examples: int = 8
    steps: int = 8
    """Most optimiser steps, one example each, and each example at most twice."""
    max_tokens: int = 512
    learning_rate: float = 1e-4
    rank: int = 16
    layers: Layers = "all"
    """Layers that get LoRA matrices."""
    api_rule: str = "span"
    """Rule for rows about APIs, by its name in `learning.training.rules.SPAN_ARMS`. A round with such
    rows has batches of eight and sees each row once, or twice while unseen ones gain."""
    seed: int = 0
    budget_s: float | None = None
    keep_adapters: int = 10
    kinds: frozenset[ExampleKind] = ALL_KINDS
    """Kinds of examples to learn from. If failures are named here, they are also learned from
    where no measurement says that the model can read the tools' evidence."""
    leave_out: frozenset[Origin] = frozenset()
    """Origins of experiences that are not learned from."""
    parent: str | None = None
    """Adapter to start from instead of the one in use; experiences that are new to it come first."""
    rebuild: str | None = None
    """Adapter to make again without its forgotten experiences, instead of learning new ones."""
    dry_run: bool = False
    """Only emit the plan and its cost; no `LearnFinished` follows."""
    trial_s: float | None = None
    """Time limit of the new adapter's trial; None: no trial, so the adapter stays in shadow."""
    discard: bool = False
    """Remove an interrupted round instead of resuming it."""


def round_options(
    settings: LearnSettings, *, budget_s: float | None = None, trial: bool = True
) -> LearnOptions:
    """Return the options of one round, with a trial of its adapter unless the settings say no.

    `budget_s` bounds the training, and the trial in place of the settings' own limit.
    """
    trial_s = budget_s or 60 * settings.trial_min
    return LearnOptions(
        max_examples=settings.max_examples,
        steps=settings.steps,
        max_tokens=settings.max_tokens,
        learning_rate=settings.lr,
        rank=settings.rank,
        layers=settings.layers,
        api_rule=settings.api_rule,
        seed=settings.seed,
        budget_s=budget_s,
        keep_adapters=settings.keep_adapters,
        trial_s=trial_s if trial and settings.trial else None,
    )
