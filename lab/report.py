"""Figures of results: scores with intervals, their cost, and paired comparisons; there are no unpaired ones."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.rows.rollouts import Rollout
from learning.errors import LearningError
from learning.evaluation.rows import append_rows, read_rows
from learning.evaluation.samples import ResultManifest, Sample
from learning.evaluation.statistics import (
    Bootstrap,
    Interval,
    TaskScores,
    bootstrap_mean,
    mean_pass_at_k,
    pair,
    paired_bootstrap,
    pass_at_k,
    sign_test,
    wilson,
)
from learning.evaluation.task import PASS

_KS = (1, 10, 100)
_LEVEL = 0.05
_COSTS = "costs.jsonl"


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
    """Scores of a set of samples, and what the samples cost."""

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


def cost_of_replies(replies: Sequence[Sample | Rollout]) -> dict[str, float]:
    """Cost of replies and their verdicts, by name."""
    return {
        "tokens made": sum(reply.completion_tokens for reply in replies),
        "tokens read": sum(reply.prompt_tokens for reply in replies),
        "s of generation": sum(reply.generation_s for reply in replies),
        "s in the sandbox": sum(reply.sandbox_s for reply in replies),
    }


def _interval(counts: Sequence[tuple[int, int]], k: int, seed: int) -> Interval:
    if all(samples == 1 for samples, _ in counts):
        return wilson(sum(correct for _, correct in counts), len(counts))
    values = [pass_at_k(samples, correct, k) for samples, correct in counts]
    return bootstrap_mean(values, seed=seed).interval


class ComparisonError(LearningError):
    """Two results cannot be compared; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Paired comparison of a second system, `b`, with a first, `a`, task by task."""

    scores: TaskScores
    difference: Bootstrap
    """Mean of `b - a` over tasks."""
    p_greater: float
    """One-sided probability that an equally good `b` wins at least this often."""
    p_two_sided: float
    left_out: int
    """Number of tasks that only one of the two answered; they say nothing here."""

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


def check_comparable(a: ResultManifest, b: ResultManifest) -> tuple[str, ...]:
    """Name what differs between two runs besides the model and its adapter.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost of one run, or of several together."""

    runs: int = 1
    wall_s: float
    cpu_s: float
    """User and system time of this process and of the children that have ended: the model's engine
    is among them, the sandbox and a server are not."""
    gpu: str = ""
    """Name of the GPU if the model ran on one; then seconds of generation are its seconds."""


class Meter:
    """Measures the cost of its context and leaves it in `folder`, if that is known at the end.

    An interrupted run counts as far as it came.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._wall_s = 0.0
        self._cpu_s = 0.0

    def __enter__(self) -> Self:
        self._wall_s, self._cpu_s = time.monotonic(), _cpu_s()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.folder is None:
            return
        cost = Cost(
            wall_s=time.monotonic() - self._wall_s, cpu_s=_cpu_s() - self._cpu_s, gpu=_gpu()
        )
        append_rows(self.folder / _COSTS, [asdict(cost)])


def total_cost(folder: Path) -> Cost | None:
    """Cost of all runs of a results folder together; None where none was measured."""
    return _sum([Cost(**record) for record in read_rows(folder / _COSTS)])  # type: ignore[arg-type]  # written above


def _sum(costs: Sequence[Cost]) -> Cost | None:
    if not costs:
        return None
    return Cost(
        runs=len(costs),
        wall_s=sum(cost.wall_s for cost in costs),
        cpu_s=sum(cost.cpu_s for cost in costs),
        gpu=costs[-1].gpu,
    )


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _gpu() -> str:
    torch = sys.modules.get("torch")  # only if the model has it loaded: nothing is imported to ask
    if torch is None or not torch.cuda.is_available():
        return ""
    return str(torch.cuda.get_device_name())
