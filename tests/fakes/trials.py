"""What trials can measure, without anybody having answered anything."""

from __future__ import annotations

from learning.evaluation.statistics import TaskScores
from learning.promotion.gate import Trial


def scores(count: int, *, wins: int = 0, losses: int = 0) -> TaskScores:
    """Paired results on `count` tasks; where neither wins, both pass."""
    ties = count - wins - losses
    return TaskScores(
        tasks=tuple(f"t{number}" for number in range(count)),
        a=(*[0.0] * wins, *[1.0] * losses, *[1.0] * ties),
        b=(*[1.0] * wins, *[0.0] * losses, *[1.0] * ties),
    )


def won_trial() -> Trial:
    return Trial(
        held_out=scores(30, wins=30), regression=scores(60), confirming=scores(30, wins=30)
    )
