"""The tasks on which ways to learn are compared: HumanEval, and library drift.

What an arm learns and how it is measured is the same for every suite; a suite says what is asked,
what is judged, and which tasks are only measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.rounds.trial import humaneval
from agent.rounds.trial.judging import Judge, judge_all
from lab import drift_arms as drift
from lab.arms import BaselineSettings, shuffled, split
from lab.drift import DriftTask, drift_prompt, prompts_digest, tasks_digest
from lab.drift_image import DRIFT_LIMITS
from learning.evaluation import prompting
from learning.evaluation.humaneval import Problem, completions
from learning.evaluation.local import Generated, Generator
from learning.evaluation.prompting import Prompt, prompt_for
from learning.evaluation.samples import Sample, SampleFile
from sandbox.box.contract import Limits
from sandbox.box.streams import display_safe
from sandbox.warm.judge import CheckTask
from sandbox.warm.values import BOX_LIMITS

_NOTE_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one reply."""

    code: str
    passed: bool
    said: str
    """What the judge said of a failure."""
    sandbox_s: float


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

    def prompt(self, task_id: str) -> Prompt:
        """What the model is asked."""
        ...

    def known(self, task_id: str) -> CheckTask:
        """The task with its own solution, from which the time limit is taken."""
        ...

    async def outcome(
        self, judge: Judge, task_id: str, reply: Generated, *, timeout_s: float
    ) -> Outcome:
        """One verdict.

        Raises:
            EvaluationError: If it cannot be had.
        """
        ...

    async def measure(
        self,
        task_ids: Sequence[str],
        generator: Generator,
        judge: Judge,
        file: SampleFile,
        *,
        samples: int,
        on_sample: humaneval.OnSample,
    ) -> dict[tuple[str, int], Sample]:
        """Complete `file`: `samples` replies to each task.

        Raises:
            EvaluationError: If the verdicts cannot be had.
            ModelError: If the model does not answer.
        """
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

    def prompt(self, task_id: str) -> Prompt:
        """See `Suite.prompt`."""
        return prompt_for(self.problems[task_id].prompt, "chat")

    def known(self, task_id: str) -> CheckTask:
        """See `Suite.known`."""
        problem = self.problems[task_id]
        return humaneval.check_task(problem, problem.canonical_solution)

    async def outcome(
        self, judge: Judge, task_id: str, reply: Generated, *, timeout_s: float
    ) -> Outcome:
        """See `Suite.outcome`."""
        problem = self.problems[task_id]
        _, code = completions(problem, reply.text, "chat")
        task = humaneval.check_task(problem, code, timeout_s=timeout_s)
        (verdict,) = await judge_all(judge, [task])
        return Outcome(
            code=code,
            passed=verdict.passed,
            said=display_safe(verdict.note)[:_NOTE_CHARACTERS],
            sandbox_s=verdict.duration_s,
        )

    async def measure(
        self,
        task_ids: Sequence[str],
        generator: Generator,
        judge: Judge,
        file: SampleFile,
        *,
        samples: int,
        on_sample: humaneval.OnSample,
    ) -> dict[tuple[str, int], Sample]:
        """See `Suite.measure`."""
        return await humaneval.generate_and_judge(
            [self.problems[id_] for id_ in task_ids],
            generator,
            judge,
            file,
            style="chat",
            samples=samples,
            on_sample=on_sample,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSuite:
    """Tasks on changed APIs; one half of each change is learned from, the other only measured."""

    tasks: Mapping[str, DriftTask]
    outdated_errors: Mapping[str, str]
    image_id: str
    limits: Limits = DRIFT_LIMITS
    prompt_name: str = "drift"

    @property
    def data_sha256(self) -> str:
        """See `Suite.data_sha256`."""
        return tasks_digest(self.tasks.values())

    @property
    def prompt_sha256(self) -> str:
        """See `Suite.prompt_sha256`."""
        return prompts_digest()

    def split(self, settings: BaselineSettings) -> tuple[list[str], list[str]]:
        """See `Suite.split`: the halves that the tasks themselves name."""
        learn_from, held_out = (
            shuffled([t.id for t in self.tasks.values() if t.split == half], settings.seed)
            for half in ("experience", "held-out")
        )
        return sorted(learn_from[: settings.experience]), sorted(held_out[: settings.held_out])

    def prompt(self, task_id: str) -> Prompt:
        """See `Suite.prompt`."""
        return drift_prompt(self.tasks[task_id])

    def known(self, task_id: str) -> CheckTask:
        """See `Suite.known`."""
        return drift.known_task(self.tasks[task_id])

    async def outcome(
        self, judge: Judge, task_id: str, reply: Generated, *, timeout_s: float
    ) -> Outcome:
        """See `Suite.outcome`."""
        found = await drift.judged(
            judge, self.tasks[task_id], self.prompt(task_id), reply, timeout_s
        )
        return Outcome(
            code=found.code, passed=found.passed, said=found.error, sandbox_s=found.sandbox_s
        )

    async def measure(
        self,
        task_ids: Sequence[str],
        generator: Generator,
        judge: Judge,
        file: SampleFile,
        *,
        samples: int,
        on_sample: humaneval.OnSample,
    ) -> dict[tuple[str, int], Sample]:
        """See `Suite.measure`."""
        return await drift.run_drift(
            [self.tasks[id_] for id_ in task_ids],
            generator,
            judge,
            file,
            samples=samples,
            outdated_errors=self.outdated_errors,
            on_sample=on_sample,
        )
