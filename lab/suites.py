"""The tasks on which ways to learn are compared: HumanEval, and library drift.

What an arm learns and how it is measured is the same for every suite; a suite says what is asked,
what is judged, and which tasks are only measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.rounds.trial.program_judge import Judge
from agent.rounds.trial.regression import humaneval_tasks
from lab.arms import BaselineSettings, shuffled, split
from lab.drift import DriftTask, drift_tasks, prompts_digest
from lab.drift_set import DRIFT_LIMITS, tasks_digest
from learning.evaluation import prompting
from learning.evaluation.humaneval import Problem
from learning.evaluation.task import Task
from sandbox.box.contract import Limits
from sandbox.warm.values import BOX_LIMITS


class Suite(Protocol):
    """Tasks with verdicts, some to learn from and others that are only measured."""

    @property
    def image_id(self) -> str:
        """Where its programs run."""
        ...

    @property
    def limits(self) -> Limits:
        """Of a warm box of it."""
        ...

    @property
    def data_sha256(self) -> str:
        """Of everything in the tasks."""
        ...

    @property
    def prompt_name(self) -> str:
        """How a task is put to the model."""
        ...

    @property
    def prompt_sha256(self) -> str:
        """Of every word that is added to a task."""
        ...

    def split(self, settings: BaselineSettings) -> tuple[list[str], list[str]]:
        """Tasks to learn from and tasks to measure on; no task is in both."""
        ...

    def tasks(self, task_ids: Sequence[str], judge: Judge, *, judge_raw: bool = True) -> list[Task]:
        """These tasks, with their judge."""
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
