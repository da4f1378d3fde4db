"""One round of learning in an experiment: from lessons to an adapter, made once and found again.

Loads a model of its own for the time of the round: close others first where memory is short.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.article.feedback import FeedbackExample, lessons_digest, prepared
from lab.article.settings import LearningSettings
from learning.model.catalog import InstalledModel
from learning.promotion.manifest import (
    AdapterDamagedError,
    AdapterManifest,
    adapter_prefix,
    hash_files,
    read_manifest,
    write_manifest,
)
from learning.training.job import TrainingError, TrainingJob
from learning.training.replay import replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The adapter of a round, and what the round cost."""

    name: str
    folder: Path
    steps: int
    lessons: int
    tokens: int
    """Read by the student in all steps."""
    seconds: float
    """From the loaded model to the last step; that of the first run if it was interrupted."""


def learn(
    model: InstalledModel,
    lessons: Sequence[FeedbackExample],
    settings: LearningSettings,
    folder: Path,
    *,
    arm: str,
    seed: int,
    on_step: Callable[[int, int, float], None] = lambda _step, _steps, _loss: None,
) -> Learned:
    """Learn from the lessons, or find what was learned from the same ones; a killed round goes on.

    Raises:
        TrainingError: If there is nothing to learn from.
        ModelError: If the model cannot be read.
    """
    key = _key(model, lessons, settings, seed)
    work = folder / f"{arm}-{key[:12]}"
    if (found := _found(work / "adapter")) is not None:
        return found
    if model.hf is None:
        raise TrainingError(f"{model.name} has no weights that can be trained: pull it again")
    from learning.model.chat import ChatFormat
    from learning.training.lora import load_student, save_adapter
    from learning.training.trainer import train

    chat = ChatFormat.load(model.hf)
    windows = prepared(lessons, chat, max_tokens=settings.max_tokens)
    if not windows:
        raise TrainingError(f"no lesson of {arm} fits into {settings.max_tokens} tokens")
    job = TrainingJob(
        id=key,
        model=model.name,
        model_folder=str(model.hf),
        base=model.identity,
        adapter_prefix=adapter_prefix(f"article-{arm}", 1),
        created_at=time.time(),
        seed=seed,
        steps=settings.steps,
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        rank=settings.rank,
        alpha=2 * settings.rank,
        max_tokens=settings.max_tokens,
        rule=settings.training_rule(),
    )
    work.mkdir(parents=True, exist_ok=True)
    student = load_student(job)
    started = time.monotonic()
    done = train(
        *(student, windows, job, work),
        anchors=replay(chat) if job.rule.loss.base_anchor else (),
        on_step=lambda step: on_step(step.step, job.steps, step.loss),
    )
    report = {
        "lessons": len(windows),
        "left_out": len(lessons) - len(windows),
        "steps": len(done.steps),
        "tokens": sum(step.tokens for step in done.steps),
        "seconds": time.monotonic() - started,
        "losses": [step.loss for step in done.steps],
        "reading": dict(done.reading),
    }
    temporary = work / ".tmp-adapter"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    save_adapter(student, temporary, model_name=model.name)
    write_manifest(temporary, _manifest(job, lessons, settings, temporary, report))
    temporary.rename(work / "adapter")
    made = _found(work / "adapter")
    assert made is not None  # noqa: S101 - it was written one line above
    return made


def _key(
    model: InstalledModel, lessons: Sequence[FeedbackExample], settings: LearningSettings, seed: int
) -> str:
    parts = (model.identity, lessons_digest(lessons), settings, settings.training_rule(), seed)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _manifest(
    job: TrainingJob,
    lessons: Sequence[FeedbackExample],
    settings: LearningSettings,
    folder: Path,
    report: dict[str, Any],
) -> AdapterManifest:
    files = hash_files(folder)
    return AdapterManifest(
        name=f"{job.adapter_prefix}-{files['adapter_model.safetensors'][:8]}",
        model=job.model,
        base=job.base,
        parent=None,
        experience_ids=tuple(lesson.id for lesson in lessons),
        config=dataclasses.asdict(settings),
        seed=job.seed,
        files=files,
        created_at=job.created_at,
        report=report,
    )


def _found(folder: Path) -> Learned | None:
    try:
        manifest = read_manifest(folder)
        report: dict[str, Any] = dict(manifest.report)
        return Learned(
            name=manifest.name,
            folder=folder,
            steps=int(report["steps"]),
            lessons=int(report["lessons"]),
            tokens=int(report["tokens"]),
            seconds=float(report["seconds"]),
        )
    except (AdapterDamagedError, KeyError):
        return None
