"""The tasks on which ways to learn are compared, HumanEval and library drift, and the comparison's settings.

Arms learn and are measured in the same way on every suite; a suite holds the tasks, their judge, and
the split into tasks to learn from and tasks that are only measured.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from agent.rounds.trial.program_judge import Judge
from agent.rounds.trial.regression import humaneval_tasks
from lab.drift.sets import DRIFT_LIMITS, tasks_digest
from lab.drift.tasks import DriftTask, drift_tasks, prompts_digest
from lab.training.arms import ARMS, Arm
from lab.training.train import TrainingLimits
from learning.evaluation import prompting
from learning.evaluation.humaneval import Problem
from learning.evaluation.task import Task
from sandbox.box.contract import Limits
from sandbox.warm.values import BOX_LIMITS

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineSettings:
    """One comparison, read from a file by `lab.article.settings.read_settings`."""

    suite: Literal["humaneval", "drift"] = "humaneval"
    """The set of tasks: one half of `drift` is learned from and the other half measured."""
    model: str = ""
    """Empty: the model of elagent's own settings."""
    engine: Literal["auto", "llama", "torch"] = "auto"
    seed: int = 0
    experience: int = 40
    """Tasks that are attempted and learned from: the first of a random order."""
    held_out: int = 40
    """Tasks that are only measured: the next."""
    samples: int = 4
    """Rollouts at each experience task."""
    temperature: float = 0.8
    """Temperature of the rollouts and of the sampled measurement."""
    measured: int = 0
    """Sampled replies to each held-out task, beside the greedy one."""
    max_tokens: int = 512
    arms: tuple[str, ...] = tuple(arm.name for arm in ARMS.values() if not arm.needs_trl)
    training: TrainingLimits = field(default_factory=TrainingLimits)

    def checked_arms(self) -> tuple[Arm, ...]:
        """The arms, the base first.

        Raises:
            ValueError: If one is unknown.
        """
        if unknown := sorted(set(self.arms) - set(ARMS)):
            raise ValueError(f"unknown arms: {', '.join(unknown)}; there are {', '.join(ARMS)}")
        return tuple(arm for arm in ARMS.values() if arm.name in ("base", *self.arms))


def drawn(items: Sequence[_T], count: int, seed: int) -> list[_T]:
    """A random order of the items, cut to `count`: the same for the same seed."""
    return random.Random(seed).sample(list(items), min(count, len(items)))  # noqa: S311


def shuffled(task_ids: Sequence[str], seed: int) -> list[str]:
    """The tasks in a random order, the same for the same seed."""
    order = list(task_ids)
    random.Random(f"{seed}:baselines").shuffle(order)  # noqa: S311 - reproducible
    return order


def split(task_ids: Sequence[str], settings: BaselineSettings) -> tuple[list[str], list[str]]:
    """Tasks to learn from and tasks to measure on; no task is in both."""
    order, cut = shuffled(task_ids, settings.seed), settings.experience
    return sorted(order[:cut]), sorted(order[cut : cut + settings.held_out])


class MakeTasks(Protocol):
    """Joins tasks with their judge."""

    def __call__(
        self, task_ids: Sequence[str], judge: Judge, *, judge_raw: bool = True
    ) -> list[Task]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Tasks with verdicts, some to learn from and others that are only measured."""

    image_id: str
    """The image in which its programs run."""
    limits: Limits = BOX_LIMITS
    """Limits of a warm box of that image."""
    data_sha256: str
    """Digest of everything in the tasks."""
    prompt_name: str
    prompt_sha256: str
    """Digest of every word that is added to a task."""
    split: Callable[[BaselineSettings], tuple[list[str], list[str]]]
    """Gives the tasks to learn from and the tasks to measure on; no task is in both."""
    tasks: MakeTasks


def humaneval_suite(problems: Sequence[Problem], *, data_sha256: str, image_id: str) -> Suite:
    """Functions to be completed; a random order says which are learned from."""
    by_id = {problem.task_id: problem for problem in problems}

    def tasks(task_ids: Sequence[str], judge: Judge, *, judge_raw: bool = True) -> list[Task]:
        return humaneval_tasks([by_id[id_] for id_ in task_ids], judge, "chat", judge_raw=judge_raw)

    return Suite(
        image_id=image_id,
        data_sha256=data_sha256,
        prompt_name="chat",
        prompt_sha256=prompting.digest("chat"),
        split=lambda settings: split(list(by_id), settings),
        tasks=tasks,
    )


def drift_suite(
    every: Sequence[DriftTask], outdated_errors: Mapping[str, str], *, image_id: str
) -> Suite:
    """Tasks on changed APIs; one half of each change is learned from, the other only measured."""
    by_id = {task.id: task for task in every}

    def halves(settings: BaselineSettings) -> tuple[list[str], list[str]]:
        learn_from, held_out = (
            shuffled([task.id for task in every if task.split == half], settings.seed)
            for half in ("experience", "held-out")
        )
        return sorted(learn_from[: settings.experience]), sorted(held_out[: settings.held_out])

    def tasks(task_ids: Sequence[str], judge: Judge, *, judge_raw: bool = True) -> list[Task]:
        return drift_tasks([by_id[id_] for id_ in task_ids], judge, outdated_errors)

    return Suite(
        image_id=image_id,
        limits=DRIFT_LIMITS,
        data_sha256=tasks_digest(every),
        prompt_name="drift",
        prompt_sha256=prompts_digest(),
        split=halves,
        tasks=tasks,
    )
