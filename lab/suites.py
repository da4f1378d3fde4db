"""The tasks on which ways to learn are compared, HumanEval and library drift, and the comparison's settings.

Arms learn and are measured in the same way on every suite; a suite holds the tasks, their judge, and
the split into tasks to learn from and tasks that are only measured.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from agent.rounds.trial.program_judge import Judge
from agent.rounds.trial.regression import humaneval_tasks
from lab.arms import ARMS, Arm
from lab.drift import DriftTask, drift_tasks, prompts_digest
from lab.drift_set import DRIFT_LIMITS, tasks_digest
from lab.train import TrainingLimits
from learning.evaluation import prompting
from learning.evaluation.humaneval import Problem
from learning.evaluation.task import Task
from sandbox.box.contract import Limits
from sandbox.warm.values import BOX_LIMITS


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


def shuffled(task_ids: Sequence[str], seed: int) -> list[str]:
    """The tasks in a random order, the same for the same seed."""
    order = list(task_ids)
    random.Random(f"{seed}:baselines").shuffle(order)  # noqa: S311 - reproducible
    return order


def split(task_ids: Sequence[str], settings: BaselineSettings) -> tuple[list[str], list[str]]:
    """Tasks to learn from and tasks to measure on; no task is in both."""
    order, cut = shuffled(task_ids, settings.seed), settings.experience
    return sorted(order[:cut]), sorted(order[cut : cut + settings.held_out])


class Suite(Protocol):
    """Tasks with verdicts, some to learn from and others that are only measured."""

    @property
    def image_id(self) -> str:
        """The image in which its programs run."""
        ...

    @property
    def limits(self) -> Limits:
        """Limits of a warm box of that image."""
        ...

    @property
    def data_sha256(self) -> str:
        """Digest of everything in the tasks."""
        ...

    @property
    def prompt_name(self) -> str:
        """Name of the form of the prompts."""
        ...

    @property
    def prompt_sha256(self) -> str:
        """Digest of every word that is added to a task."""
        ...

    def split(self, settings: BaselineSettings) -> tuple[list[str], list[str]]:
        """Tasks to learn from and tasks to measure on; no task is in both."""
        ...

    def tasks(self, task_ids: Sequence[str], judge: Judge, *, judge_raw: bool = True) -> list[Task]:
        """Join these tasks with their judge."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanEvalSuite:
    """Functions to be completed; a random order says which are learned from."""

    problems: Mapping[str, Problem]
    data_sha256: str
    image_id: str
    limits: Limits = BOX_LIMITS
    prompt_name: str = "chat"

    @property
    def prompt_sha256(self) -> str:
        """See `Suite.prompt_sha256`."""
        return prompting.digest("chat")

    def split(self, settings: BaselineSettings) -> tuple[list[str], list[str]]:
        """See `Suite.split`."""
        return split(list(self.problems), settings)

    def tasks(self, task_ids: Sequence[str], judge: Judge, *, judge_raw: bool = True) -> list[Task]:
        """See `Suite.tasks`."""
        chosen = [self.problems[id_] for id_ in task_ids]
        return humaneval_tasks(chosen, judge, "chat", judge_raw=judge_raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSuite:
    """Tasks on changed APIs; one half of each change is learned from, the other only measured."""

    all: Mapping[str, DriftTask]
    outdated_errors: Mapping[str, str]
    image_id: str
    limits: Limits = DRIFT_LIMITS
    prompt_name: str = "drift"

    @property
    def data_sha256(self) -> str:
        """See `Suite.data_sha256`."""
        return tasks_digest(self.all.values())

    @property
    def prompt_sha256(self) -> str:
        """See `Suite.prompt_sha256`."""
        return prompts_digest()

    def split(self, settings: BaselineSettings) -> tuple[list[str], list[str]]:
        """See `Suite.split`: the halves that the tasks themselves name."""
        learn_from, held_out = (
            shuffled([t.id for t in self.all.values() if t.split == half], settings.seed)
            for half in ("experience", "held-out")
        )
        return sorted(learn_from[: settings.experience]), sorted(held_out[: settings.held_out])

    def tasks(self, task_ids: Sequence[str], judge: Judge, *, judge_raw: bool = True) -> list[Task]:
        """See `Suite.tasks`."""
        return drift_tasks([self.all[id_] for id_ in task_ids], judge, self.outdated_errors)
