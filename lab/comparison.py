"""Two systems on the same tasks: wins, losses, an exact test, an interval; never unpaired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from learning.errors import LearningError
from learning.evaluation.samples import Manifest
from learning.evaluation.statistics import (
    Bootstrap,
    TaskScores,
    pair,
    paired_bootstrap,
    sign_test,
)

_LEVEL = 0.05


class ComparisonError(LearningError):
    """Two results cannot be compared; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a second system does to the scores of a first, task by task."""

    scores: TaskScores
    difference: Bootstrap
    """Mean of `b - a` over tasks."""
    p_greater: float
    """One-sided: how often an equally good `b` would win at least this often."""
    p_two_sided: float
    left_out: int
    """Tasks that only one of them answered; they say nothing here."""

    @property
    def won(self) -> tuple[str, ...]:
        """Tasks on which `b` is better."""
        return self._where(1)

    @property
    def lost(self) -> tuple[str, ...]:
        """Tasks on which `b` is worse."""
        return self._where(-1)

    @property
    def conclusion(self) -> str:
        """The claim that the evidence carries, in words."""
        if self.p_two_sided > _LEVEL:
            return "not enough evidence for a difference"
        return "B is better" if self.scores.wins > self.scores.losses else "B is worse"

    def _where(self, sign: int) -> tuple[str, ...]:
        pairs = zip(self.scores.tasks, self.scores.differences, strict=True)
        return tuple(task for task, difference in pairs if difference * sign > 0)


def compare(a: Mapping[str, float], b: Mapping[str, float], *, seed: int = 0) -> Comparison:
    """Compare the mean scores per task of two systems.

    Raises:
        ComparisonError: If no task was answered by both.
    """
    scores = pair(a, b)
    if not scores.tasks:
        raise ComparisonError("The two results have no task in common: nothing can be compared.")
    return Comparison(
        scores=scores,
        difference=paired_bootstrap(scores, seed=seed),
        p_greater=sign_test(scores.wins, scores.losses),
        p_two_sided=sign_test(scores.wins, scores.losses, alternative="two-sided"),
        left_out=len(a.keys() ^ b.keys()),
    )


def check_comparable(a: Manifest, b: Manifest) -> tuple[str, ...]:
    """What differs between two runs besides the model and its adapter, in words.

    Raises:
        ComparisonError: If they are not results of the same tasks.
    """
    if a.suite != b.suite or a.data_sha256 != b.data_sha256:
        raise ComparisonError(
            f"These are results of different tasks ({a.suite} and {b.suite}): nothing to compare."
        )
    pairs = {
        "prompt": (a.prompt_sha256, b.prompt_sha256),
        "sampling": (a.sampling, b.sampling),
        "image": (a.image_id, b.image_id),
        "versions": (dict(a.versions), dict(b.versions)),
    }
    return tuple(name for name, (left, right) in pairs.items() if left != right)
