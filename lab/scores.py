"""Scores of a set of samples: pass@k with intervals, endings, and what they cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from learning.evaluation.samples import Sample
from learning.evaluation.statistics import (
    Interval,
    bootstrap_mean,
    mean_pass_at_k,
    pass_at_k,
    wilson,
)
from learning.evaluation.task import PASS

_KS = (1, 10, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRate:
    """pass@k over the tasks that have at least k samples."""

    k: int
    value: float
    interval: Interval
    """Wilson's for one sample per task; else a bootstrap over tasks."""
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What a set of samples comes to."""

    tasks: int
    samples: int
    raw: tuple[PassRate, ...]
    sanitised: tuple[PassRate, ...]
    endings: Mapping[str, int]
    """Number of sanitised samples by verdict."""
    prompt_tokens: int
    completion_tokens: int
    generation_s: float
    sandbox_s: float


def summarise(samples: Sequence[Sample], *, seed: int = 0) -> Scores:
    """Scores of these samples, complete or not: `tasks` and `samples` say how many there are."""
    raw = ((sample.task_id, sample.raw_verdict == PASS) for sample in samples)
    clean = ((sample.task_id, sample.passed) for sample in samples)
    return Scores(
        tasks=len({sample.task_id for sample in samples}),
        samples=len(samples),
        raw=pass_rates(raw, seed=seed),
        sanitised=pass_rates(clean, seed=seed),
        endings=dict(Counter(sample.sanitised_verdict for sample in samples)),
        prompt_tokens=sum(sample.prompt_tokens for sample in samples),
        completion_tokens=sum(sample.completion_tokens for sample in samples),
        generation_s=sum(sample.generation_s for sample in samples),
        sandbox_s=sum(sample.sandbox_s for sample in samples),
    )


def pass_rates(verdicts: Iterable[tuple[str, bool]], *, seed: int = 0) -> tuple[PassRate, ...]:
    """pass@1, @10 and @100 as far as there are samples, with 95 % intervals."""
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for task, passed in verdicts:
        counts[task][0] += 1
        counts[task][1] += passed
    rates = []
    for k in _KS:
        enough = [(samples, correct) for samples, correct in counts.values() if samples >= k]
        if not enough:
            break
        rates.append(
            PassRate(
                k=k,
                value=mean_pass_at_k(enough, k),
                interval=_interval(enough, k, seed),
                tasks=len(enough),
            )
        )
    return tuple(rates)


def task_means(samples: Iterable[Sample], *, raw: bool = False) -> dict[str, float]:
    """Share of passing samples of each task."""
    verdicts: defaultdict[str, list[bool]] = defaultdict(list)
    for sample in samples:
        verdicts[sample.task_id].append(sample.raw_verdict == PASS if raw else sample.passed)
    return {task: sum(found) / len(found) for task, found in verdicts.items()}


def _interval(counts: Sequence[tuple[int, int]], k: int, seed: int) -> Interval:
    if all(samples == 1 for samples, _ in counts):
        return wilson(sum(correct for _, correct in counts), len(counts))
    values = [pass_at_k(samples, correct, k) for samples, correct in counts]
    return bootstrap_mean(values, seed=seed).interval
