"""Runs the arms of `lab.arms` on the tasks of a suite, each part once.

Attempts, adapters and samples stay in the folder: a run that was cut off goes on where it ended.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.events import Event
from agent.rounds.process import WORKER, run_worker
from agent.rounds.trial.program_judge import EvaluationError
from lab.arms import (
    TRL_ARMS,
    Arm,
    BaselineSettings,
    examples_for,
    experience_of,
    rule_for,
)
from lab.article.rollouts import Rollout, RolloutFile, rollout_of
from learning.evaluation.prompting import Prompt
from learning.evaluation.run import OnRow, answer, complete, keys_of, silent
from learning.evaluation.samples import SampleKey
from learning.evaluation.task import Generator, Task
from learning.model.catalog import InstalledModel
from learning.promotion.manifest import read_manifest
from learning.records import Sampling
from learning.training.job import Example, TrainingJob, read_result, write_job

TRL_WORKER = "lab.trl_worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What an arm has learned."""

    name: str
    folder: Path
    examples: int
    steps: int
    seconds: float
    """In training, loading left out."""
    tokens: int = 0
    """Seen in training, where the trainer counts them."""


async def attempt(
    tasks: Sequence[Task],
    generator: Generator,
    file: RolloutFile,
    *,
    settings: BaselineSettings,
    on_row: OnRow[Rollout] = silent,
) -> list[Rollout]:
    """Complete `file`: sampled attempts at every task, each judged once; returns them all.

    Raises:
        EvaluationError: If the verdicts cannot be had.
        ModelError: If the model does not answer.
    """
    by_id = {task.id: task for task in tasks}
    sampling = Sampling(
        temperature=settings.temperature, seed=settings.seed, max_tokens=settings.max_tokens
    )

    async def make(key: SampleKey) -> Rollout:
        return rollout_of(key, *await answer(by_id[key[0]], generator, sampling, key[1]))

    found = await complete(file, keys_of(tasks, settings.samples), make, on_row=on_row)
    return list(found.values())


async def learn_arm(
    arm: Arm,
    attempts: Sequence[Rollout],
    prompts: Mapping[str, Prompt],
    folder: Path,
    *,
    model: InstalledModel,
    settings: BaselineSettings,
    environ: Mapping[str, str],
    python: str,
    on_event: Callable[[Event], None] = lambda _: None,
) -> Trained | None:
    """The adapter of an arm, made now or before; None if it has nothing to learn from.

    Raises:
        EvaluationError: If the model cannot be trained.
        LearnerFailedError: If the learner ended with an error.
    """
    if model.hf is None:
        raise EvaluationError(f"{model.name} cannot be trained: only its GGUF file is here")
    experiences = [
        experience_of(each, prompts[each.task_id].messages, model=model.name) for each in attempts
    ]
    examples = examples_for(arm, experiences, seed=settings.seed)
    if not examples:
        return None
    training = settings.training
    job = TrainingJob(
        id=arm,
        model=model.name,
        model_folder=str(model.hf),
        base=model.identity,
        adapter_prefix=f"baseline-{arm}",
        created_at=0.0,
        seed=settings.seed,
        steps=training.steps,
        batch=training.batch,
        learning_rate=training.learning_rate,
        rank=training.rank,
        alpha=2 * training.rank,
        max_tokens=training.max_tokens,
        budget_s=training.budget_s,
        rule=rule_for(arm),
    )
    module = TRL_WORKER if arm in TRL_ARMS else WORKER
    return await trained(
        folder / arm,
        job,
        examples,
        module=module,
        environ=environ,
        python=python,
        on_event=on_event,
    )


async def trained(
    place: Path,
    job: TrainingJob,
    examples: Sequence[Example],
    *,
    module: str,
    environ: Mapping[str, str],
    python: str,
    on_event: Callable[[Event], None] = lambda _: None,
) -> Trained | None:
    """What came of a job in `place`, done now or before; None if no example could be used.

    Raises:
        LearnerFailedError: If the learner ended with an error.
    """
    _written(place, job, examples)
    if read_result(place) is None:
        await run_worker(place, on_event, environ=environ, python=python, module=module)
    result = read_result(place)
    if result is None or result.adapter is None:
        return None
    report = read_manifest(place / "adapter").report
    losses, seconds, tokens = (report.get(key) for key in ("losses", "seconds_training", "tokens"))
    return Trained(
        name=result.adapter,
        folder=place / "adapter",
        examples=result.trained,
        steps=len(losses) if isinstance(losses, list) else 0,
        seconds=float(seconds) if isinstance(seconds, (int, float)) else 0.0,
        tokens=tokens if isinstance(tokens, int) else 0,
    )


def _written(place: Path, job: TrainingJob, examples: Sequence[Example]) -> None:
    """The job's folder, made now or before."""
    if place.exists() and not (place / "job.json").exists():
        shutil.rmtree(place)  # cut off before it began
    if not place.exists():
        write_job(place, job, examples)


def measured_sampling(settings: BaselineSettings, *, greedy: bool) -> Sampling:
    """How held-out tasks are answered."""
    greedily = Sampling(seed=settings.seed, max_tokens=settings.max_tokens)
    if greedy:
        return greedily
    return dataclasses.replace(greedily, temperature=settings.temperature)
