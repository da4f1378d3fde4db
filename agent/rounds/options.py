"""Options of a learning round from the settings, the same for every front end."""

from __future__ import annotations

from agent.rounds.learn import LearnOptions
from agent.settings.schema import LearnSettings
from learning.training.job import ExampleKind
from learning.training.selection import ALL_KINDS

__all__ = ["ALL_KINDS", "ExampleKind", "round_options"]


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
        seed=settings.seed,
        budget_s=budget_s,
        keep_adapters=settings.keep_adapters,
        trial_s=trial_s if trial and settings.trial else None,
    )
