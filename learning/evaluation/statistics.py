"""The statistics of evaluations: pass@k, intervals, and paired comparisons.

Nothing here reads files or knows models. A comparison of two systems is always paired: both answer
the same tasks, and only tasks on which they differ say anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import Literal

RESAMPLES = 10_000
_ROWS = 1_000
"""Bootstrap resamples drawn at a time: bounds memory, not precision."""

Alternative = Literal["greater", "less", "two-sided"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval, both ends included."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """A mean with its interval, found by resampling the tasks."""

    mean: float
    interval: Interval
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScores:
    """Scores of two systems on the tasks that both answered, in the same order."""

    tasks: tuple[str, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]

    @property
    def differences(self) -> tuple[float, ...]:
        """Score of `b` minus score of `a`, per task."""
        return tuple(b - a for a, b in zip(self.a, self.b, strict=True))

    @property
    def wins(self) -> int:
        """Tasks on which `b` is better."""
        return sum(difference > 0 for difference in self.differences)

    @property
    def losses(self) -> int:
        """Tasks on which `b` is worse."""
        return sum(difference < 0 for difference in self.differences)

    @property
    def ties(self) -> int:
        """Tasks on which both score the same."""
        return len(self.tasks) - self.wins - self.losses


def pair(a: Mapping[str, float], b: Mapping[str, float]) -> TaskScores:
    """The scores of the tasks that are in both, sorted by task."""
    shared = tuple(sorted(a.keys() & b.keys()))
    return TaskScores(
        tasks=shared,
        a=tuple(a[task] for task in shared),
        b=tuple(b[task] for task in shared),
    )


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased estimate of the chance that at least one of `k` samples is correct.

    `correct` of `samples` independent samples of one task were (arXiv 2107.03374, equation 1).

    Raises:
        ValueError: If there are fewer than `k` samples, or the counts contradict each other.
    """
    if not 0 <= correct <= samples:
        raise ValueError(f"There cannot be {correct} correct samples of {samples}.")
    if not 1 <= k <= samples:
        raise ValueError(f"pass@{k} needs at least {k} samples of each task, not {samples}.")
    subsets = math.comb(samples, k)
    return (subsets - math.comb(samples - correct, k)) / subsets


def mean_pass_at_k(counts: Iterable[tuple[int, int]], k: int) -> float:
    """Mean of `pass_at_k` over tasks given as (samples, correct).

    Raises:
        ValueError: If there is no task, or one with fewer than `k` samples.
    """
    values = [pass_at_k(samples, correct, k) for samples, correct in counts]
    if not values:
        raise ValueError(f"pass@{k} needs at least one task.")
    return fmean(values)


def wilson(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927); 0 to 1 without any trial.

    Raises:
        ValueError: If the counts contradict each other.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"There cannot be {successes} successes in {trials} trials.")
    if trials == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    centre = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == trials else (centre + half) / scale
    return Interval(low, high)


def sign_test(wins: int, losses: int, *, alternative: Alternative = "greater") -> float:
    """Exact p of the sign test; ties say nothing and are not counted.

    `greater` asks how often two equally good systems would give at least this many wins, `less`
    at most this many, `two-sided` a split at least this uneven. Without wins or losses p is 1.

    Raises:
        ValueError: If a count is negative.
    """
    if wins < 0 or losses < 0:
        raise ValueError(f"There cannot be {wins} wins and {losses} losses.")
    match alternative:
        case "greater":
            return _tail(wins + losses, wins)
        case "less":
            return _tail(wins + losses, losses)
        case "two-sided":
            return min(1.0, 2 * _tail(wins + losses, max(wins, losses)))


def _tail(decided: int, at_least: int) -> float:
    favourable = sum(math.comb(decided, count) for count in range(at_least, decided + 1))
    return favourable / (1 << decided)


def bootstrap_mean(
    values: Sequence[float],
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Bootstrap:
    """Percentile bootstrap of the mean of per-task values (Efron 1979), reproducible by its seed.

    Raises:
        ValueError: If there are no values.
    """
    import numpy as np

    if not values:
        raise ValueError("There is no task to resample.")
    generator = np.random.default_rng(seed)
    scores_n = np.asarray(values, dtype=np.float64)
    parts = [
        scores_n[generator.integers(0, len(scores_n), size=(rows, len(scores_n)))].mean(axis=1)
        for rows in _batches(resamples)
    ]
    means_r = np.concatenate(parts)
    edge = (1 - confidence) / 2
    low, high = np.quantile(means_r, [edge, 1 - edge])
    return Bootstrap(
        mean=float(scores_n.mean()),
        interval=Interval(float(low), float(high)),
        tasks=len(scores_n),
    )


def paired_bootstrap(
    scores: TaskScores,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Bootstrap:
    """Bootstrap of the mean difference `b - a`, resampling tasks and never the two apart.

    Raises:
        ValueError: If no task was answered by both.
    """
    return bootstrap_mean(scores.differences, confidence=confidence, resamples=resamples, seed=seed)


def _batches(total: int) -> list[int]:
    return [min(_ROWS, total - start) for start in range(0, total, _ROWS)]
