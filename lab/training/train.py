"""Training of one arm: a job folder in which a worker process leaves an adapter.

All arms have the job folder of `learning.training.job`; the worker is a module that is run on it. A
job that was cut off goes on after its last step, and a finished one is not run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.events import Event, LearnStep
from agent.rounds.process import WORKER, run_worker
from agent.rounds.trial.program_judge import EvaluationError
from lab.training.feedback import (
    FEEDBACK_WORKER,
    FeedbackExample,
    feedback_lines,
    write_feedback,
)
from learning.model.catalog import InstalledModel
from learning.model.weights import ensure_weights
from learning.promotion.manifest import read_manifest
from learning.training.job import Example, TrainingJob, job_record, read_result, write_job
from learning.training.rules import LearningRule

TRL_WORKER = "lab.training.trl_worker"

OnStep = Callable[[int, int, float], None]
"""Called after each step with its number, the number of all steps, and the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmAdapter:
    """The adapter of an arm, and what its training took."""

    name: str
    folder: Path
    examples: int
    steps: int
    seconds: float
    """Training time, without loading the model."""
    tokens: int = 0
    """Read by the student in all steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingLearned:
    """An arm without an adapter, and the reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingLimits:
    """Steps and sizes of the training of one arm."""

    steps: int = 8
    batch: int = 1
    learning_rate: float = 1e-4
    rank: int = 16
    max_tokens: int = 512
    budget_s: float = 1800.0
    """No step begins after this much time in training; 0 sets no limit."""


def arm_job(
    arm: str,
    model: InstalledModel,
    limits: TrainingLimits,
    *,
    prefix: str,
    seed: int,
    rule: LearningRule | None = None,
) -> TrainingJob:
    """The job of an arm; the name of its adapter begins with `prefix`.

    Raises:
        EvaluationError: If the model cannot be trained.
    """
    if model.hf is None:
        raise EvaluationError(f"{model.name} cannot be trained: only its GGUF file is here")
    return TrainingJob(
        id=arm,
        model=model.name,
        model_folder=str(ensure_weights(model, on_progress=lambda *_: None)),
        base=model.identity,
        adapter_prefix=prefix,
        created_at=0.0,
        seed=seed,
        steps=limits.steps,
        batch=limits.batch,
        learning_rate=limits.learning_rate,
        rank=limits.rank,
        alpha=2 * limits.rank,
        max_tokens=limits.max_tokens,
        budget_s=limits.budget_s or None,
        rule=rule or LearningRule(),
    )


async def train_on_examples(
    place: Path,
    job: TrainingJob,
    examples: Sequence[Example],
    *,
    worker: str = WORKER,
    on_step: OnStep,
) -> ArmAdapter | NothingLearned:
    """Learn from recorded experiences in the job folder `place`.

    Raises:
        LearnerFailedError: If the worker ended with an error.
    """
    if not examples:
        return NothingLearned(reason="no examples")
    _write_job(place, job, examples)
    return await _finished(place, worker, on_step)


async def train_on_feedback(
    folder: Path, job: TrainingJob, examples: Sequence[FeedbackExample], *, on_step: OnStep
) -> ArmAdapter | NothingLearned:
    """Learn from feedback, in a job folder in `folder` that belongs to this job and these examples.

    Raises:
        LearnerFailedError: If the worker ended with an error.
    """
    if not examples:
        return NothingLearned(reason="no examples")
    text = json.dumps([job_record(job), *feedback_lines(examples)], sort_keys=True)
    place = folder / f"{job.id}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    _write_job(place, job, ())
    if read_result(place) is None:
        write_feedback(place, examples)
    return await _finished(place, FEEDBACK_WORKER, on_step)


def _write_job(place: Path, job: TrainingJob, examples: Sequence[Example]) -> None:
    """Write the job folder, unless it is there."""
    if place.exists() and not (place / "job.json").exists():
        shutil.rmtree(place)  # cut off while it was written
    if not place.exists():
        shutil.rmtree(place.with_name(f".tmp-{place.name}"), ignore_errors=True)
        write_job(place, job, examples)


async def _finished(place: Path, worker: str, on_step: OnStep) -> ArmAdapter | NothingLearned:
    """Run the worker on the job folder if it has no result, and read the result."""
    if read_result(place) is None:
        show = partial(_show_step, on_step)
        await run_worker(place, show, environ=os.environ, python=sys.executable, module=worker)
    result = read_result(place)
    if result is None or result.adapter is None:
        skipped = result.skipped if result else {}
        reason = ", ".join(f"{count} {why}" for why, count in skipped.items())
        return NothingLearned(reason=reason or "no step was made")
    report = read_manifest(place / "adapter").report
    losses, seconds, tokens = (report.get(key) for key in ("losses", "seconds_training", "tokens"))
    return ArmAdapter(
        name=result.adapter,
        folder=place / "adapter",
        examples=result.trained,
        steps=len(losses) if isinstance(losses, list) else 0,
        seconds=float(seconds) if isinstance(seconds, (int, float)) else 0.0,
        tokens=tokens if isinstance(tokens, int) else 0,
    )


def _show_step(on_step: OnStep, event: Event) -> None:
    if isinstance(event, LearnStep):
        on_step(event.step, event.steps, event.loss)
