"""Measures systems on tasks. Every answer is stored, so no system answers a task twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.mining.rollout import prompts_digest, roll_out
from agent.mining.tasks import RULES, RepositoryTask, text_digest
from agent.mining.trees import CommitTree, CommitTrees
from agent.model.protocol import Model
from agent.rounds.trial.program_judge import Judge
from agent.rounds.trial.regression import RemoteModel, humaneval_tasks
from agent.rounds.trial.systems import Systems
from learning.evaluation import prompting
from learning.evaluation.humaneval import Problem
from learning.evaluation.run import answer_all
from learning.evaluation.samples import ResultManifest, Sample, SampleFile
from learning.evaluation.task import Task
from learning.promotion.regression import regression_digest
from learning.records import Sampling

REPOSITORY, LIBRARY = "repo", "library"
REGRESSION = "guard"
"""Names of the suites in stored results; that of the regression suite is its earlier name."""
_LIBRARY_RULES = "held-out uses of an API, version 3"
"""Changed when the same task would be judged otherwise; the ids of tasks are digests of the rest."""
_REGRESSION_TOKENS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchConditions:
    """Conditions that every result depends on, other than adapter and task."""

    model: str
    weights_sha256: str
    image_id: str
    """Image in which the repository's tests run."""
    regression_image_id: str = ""
    """Image in which the regression suite is judged."""
    versions: Mapping[str, str] = field(default_factory=dict)


class Bench:
    """Lets systems try tasks; stores results by weights, adapter, task and prompt."""

    def __init__(
        self,
        *,
        systems: Systems,
        trees: CommitTrees,
        judge: Judge,
        folder: Path,
        about: BenchConditions,
    ) -> None:
        self._systems = systems
        self._trees = trees
        self._judge = judge
        self._folder = folder
        self._about = about
        self._files: dict[tuple[str, str | None], SampleFile] = {}
        self._known: dict[tuple[str, str | None], dict[str, Sample]] = {}

    def known(self, suite: str, system: str | None) -> Mapping[str, Sample]:
        """Stored results of a system, by task."""
        key = (suite, system)
        if key not in self._known:
            samples = self.file(suite, system).read().values()
            self._known[key] = {sample.task_id: sample for sample in samples}
        return self._known[key]

    def file(self, suite: str, system: str | None) -> SampleFile:
        """The results of a system in a suite."""
        key = (suite, system)
        if key not in self._files:
            self._files[key] = answer_file(self._folder, self._manifest(suite, system))
        return self._files[key]

    def arm(self, suite: str, arm: str) -> SampleFile:
        """Results of the bare model under the change of prompts that `arm` names."""
        manifest = replace(self._manifest(REPOSITORY, None), suite=suite, arm=arm)
        return SampleFile(self._folder / f"{suite}-{arm}-{manifest.digest}", manifest)

    async def model(self, system: str | None) -> Model:
        """The model with an adapter, or without one.

        Raises:
            ModelError, TrialError: If the model cannot be loaded.
        """
        return await self._systems.model(system)

    async def tree(self, task: RepositoryTask) -> CommitTree:
        """The files that a task is tried on.

        Raises:
            WorkspaceError: If its commit is gone.
        """
        return await self._trees.at(task.commit)

    async def try_task(self, system: str | None, task: RepositoryTask) -> Sample:
        """A system's one answer to a task of the repository.

        Raises:
            SandboxError, ModelError, WorkspaceError: If there is no answer.
        """
        known = self.known(REPOSITORY, system)
        if task.id not in known:
            model = await self.model(system)
            made = await roll_out(task, tree=await self.tree(task), model=model)
            self._keep(REPOSITORY, system, made.sample, append=True)
        return self.known(REPOSITORY, system)[task.id]

    async def try_use(self, system: str | None, task: Task) -> Sample:
        """A system's one answer to a held-out use of an API.

        Raises:
            EvaluationError, ModelError, SandboxError: If there is no answer or no verdict.
        """
        return await self._answered(LIBRARY, system, task)

    async def try_general(self, system: str | None, problem: Problem) -> Sample:
        """A system's one answer to a task of the regression suite.

        Raises:
            EvaluationError, ModelError: If there is no answer or no verdict.
        """
        (task,) = humaneval_tasks([problem], self._judge, "chat")
        return await self._answered(REGRESSION, system, task)

    async def _answered(self, suite: str, system: str | None, task: Task) -> Sample:
        if task.id not in self.known(suite, system):
            model = await self.model(system)
            found = await answer_all([task], RemoteModel(model), self.file(suite, system))
            self._keep(suite, system, found[task.id, 0], append=False)
        return self.known(suite, system)[task.id]

    def _keep(self, suite: str, system: str | None, sample: Sample, *, append: bool) -> None:
        if append:
            self.file(suite, system).append([sample])
        self._known[suite, system][sample.task_id] = sample

    def _manifest(self, suite: str, system: str | None) -> ResultManifest:
        about = self._about
        if suite == REPOSITORY:
            return repository_manifest(about, system)
        return ResultManifest(
            suite=suite,
            model=about.model,
            weights_sha256=about.weights_sha256,
            adapter=system,
            prompt="chat",
            prompt_sha256=prompting.digest("chat"),
            data_sha256=text_digest(_LIBRARY_RULES) if suite == LIBRARY else regression_digest(),
            sampling=Sampling(max_tokens=_REGRESSION_TOKENS),
            image_id=about.regression_image_id if suite == REGRESSION else about.image_id,
            versions=about.versions,
        )


def answer_file(folder: Path, manifest: ResultManifest) -> SampleFile:
    """The file in `folder` of a system's answers to the tasks of a suite."""
    name = f"{manifest.suite}-{manifest.adapter or 'base'}-{manifest.digest}"
    return SampleFile(folder / name, manifest)


def repository_manifest(about: BenchConditions, system: str | None) -> ResultManifest:
    """The manifest of a system's answers to the tasks of a repository."""
    return ResultManifest(
        suite=REPOSITORY,
        model=about.model,
        weights_sha256=about.weights_sha256,
        adapter=system,
        prompt="fix",
        prompt_sha256=prompts_digest(),
        data_sha256=text_digest(RULES),
        sampling=Sampling(max_tokens=2048),
        image_id=about.image_id,
        versions=about.versions,
    )
