"""The order of a round: which examples make each step, how fast it learns, and when it ends."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import replace

from learning.training.job import TrainingJob
from learning.training.prepare import Prepared
from learning.training.rules import SPAN_ARMS

_WARM_UP_STEPS = 2
_LEAST_FOR_HELD_OUT = 10
"""Fewest examples of a round that sets some aside for early stopping."""
_MOST_HELD_OUT = 32
_RISES = 2
"""Rises in a row of the held-out loss that end the round."""


_BATCH = 8
"""Rows about APIs in a step."""


def about_apis(job: TrainingJob, examples: Sequence[Prepared], *, arm: str) -> TrainingJob:
    """The job with the rule of this name, and the batches and steps that it needs; see `SPAN_ARMS`.

    All steps of the epochs that the rule allows are planned; the round may end after the first.
    """
    rule = SPAN_ARMS[arm]
    planned = replace(job, rule=rule, batch=_BATCH)
    about = [index for index, example in enumerate(examples) if example.api is not None]
    _, spared = split(about or range(len(examples)), planned)
    steps = math.ceil((len(examples) - len(spared)) / _BATCH)
    return replace(planned, steps=rule.epochs * steps)


def schedule_steps(
    examples: int, *, steps: int, batch: int, seed: int
) -> tuple[tuple[int, ...], ...]:
    """Indices of each step's examples: all in random order, then all again in another order."""
    order: list[int] = []
    epoch = 0
    while examples and len(order) < steps * batch:
        indices = list(range(examples))
        random.Random(f"{seed}:{epoch}").shuffle(indices)  # noqa: S311 - reproducible order
        order += indices
        epoch += 1
    batches = (tuple(order[i * batch : (i + 1) * batch]) for i in range(steps))
    return tuple(batch for batch in batches if batch)


def split(usable: Sequence[int], job: TrainingJob) -> tuple[list[int], list[int]]:
    """These examples without those that are only measured, and the latter."""
    count = int(job.rule.held_out * len(usable)) if len(usable) >= _LEAST_FOR_HELD_OUT else 0
    chosen = random.Random(f"{job.seed}:held out")  # noqa: S311
    spared = set(chosen.sample(usable, min(count, _MOST_HELD_OUT)))
    return [index for index in usable if index not in spared], sorted(spared)


def learning_rate(job: TrainingJob, done: int) -> float:
    """The rate of the step after `done` steps: a linear rise, then constant or a cosine, every epoch."""
    period = epoch_steps(job)
    warm_up = max(_WARM_UP_STEPS, math.ceil(job.rule.warm_up * period))
    again = done % period if job.rule.epochs > 1 else done
    rise = min(1.0, (again + 1) / warm_up)
    if not job.rule.cosine or again < warm_up:
        return job.learning_rate * rise
    progress = (again - warm_up) / max(1, period - warm_up)
    return job.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def epoch_steps(job: TrainingJob) -> int:
    """Steps of one epoch."""
    return max(1, job.steps // job.rule.epochs)


def is_measured(job: TrainingJob, step: int) -> bool:
    """True if the loss on the examples that are only measured is measured after this step."""
    if job.rule.measure_every:
        return step % job.rule.measure_every == 0
    period = epoch_steps(job)
    return step % period in {0, period // 2}


def should_stop(job: TrainingJob, held_out: Sequence[float | None]) -> bool:
    """True if a round ends early, from the loss on the examples that are only measured, step by step.

    It ends when the loss has risen twice in a row, or at the end of an epoch if it did not fall last.
    """
    measured = [loss for loss in held_out if loss is not None]
    last = measured[-_RISES - 1 :]
    if len(last) > _RISES and all(a < b for a, b in itertools.pairwise(last)):
        return True
    ends = job.rule.epochs > 1 and held_out and len(held_out) % epoch_steps(job) == 0
    return bool(ends) and len(measured) > 1 and measured[-1] >= measured[-2]
