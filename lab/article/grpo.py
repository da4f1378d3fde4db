"""GRPO on word problems, by TRL's trainer: what stands beside the founding article's third experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agent.events import Event
from agent.rounds.trial.program_judge import EvaluationError
from lab.article.gsm8k import asked_of
from lab.article.settings import Gsm8kSettings
from lab.gsm8k import WordProblem
from lab.train import TRL_WORKER, Trained, trained
from learning.model.catalog import InstalledModel
from learning.training.job import Example, ExampleKind, TrainingJob


async def learn_grpo(
    problems: Sequence[WordProblem],
    folder: Path,
    *,
    model: InstalledModel,
    settings: Gsm8kSettings,
    environ: Mapping[str, str],
    python: str,
    on_event: Callable[[Event], None] = lambda _: None,
) -> Trained | None:
    """The adapter of as many steps of as many replies as the other arms learn from.

    The model samples groups of replies to the problems while it learns; the reward of one is whether
    it ends with the right number.

    Raises:
        EvaluationError: If the model cannot be trained.
        LearnerFailedError: If the learner ended with an error, for one if TRL is not installed.
    """
    if model.hf is None:
        raise EvaluationError(f"{model.name} cannot be trained: only its GGUF file is here")
    asked = [asked_of(problem, model=model.name) for problem in problems]
    learning = settings.learning
    key = repr((model.identity, learning, settings.seed, asked))
    job = TrainingJob(
        id="grpo-words",
        model=model.name,
        model_folder=str(model.hf),
        base=model.identity,
        adapter_prefix="article-grpo",
        created_at=0.0,
        seed=settings.seed,
        steps=learning.steps,
        batch=learning.batch,
        learning_rate=learning.learning_rate,
        rank=learning.rank,
        alpha=2 * learning.rank,
        max_tokens=learning.max_tokens,
    )
    return await trained(
        folder / f"grpo-{hashlib.sha256(key.encode()).hexdigest()[:12]}",
        job,
        [Example(kind=ExampleKind.EVIDENCE, step=step) for step in asked],
        module=TRL_WORKER,
        environ=environ,
        python=python,
        on_event=on_event,
    )
