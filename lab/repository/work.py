"""The tasks of a repository's commits as work that any machine can do; see `lab.rows.work`."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from agent.mining.rollout import roll_out
from agent.mining.tasks import RepositoryTask
from agent.mining.trees import CommitTree, CommitTrees, open_trees
from agent.model.protocol import Model
from agent.paths import make_private
from agent.rounds.trial.bench import BenchConditions, repository_manifest
from agent.rounds.trial.program_judge import EvaluationError
from agent.rounds.trial.replay import attempts
from agent.settings.schema import SandboxSettings
from agent.testing.opening import open_project
from agent.workspace.workspace import Workspace
from lab.repository.history import unpack_history
from lab.rows.place import AskedModel, Place
from lab.rows.work import Opened
from learning.evaluation.rows import Row
from learning.evaluation.samples import ResultManifest, Sample, SampleKey
from learning.records import Experience


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRepository:
    """A repository with its tasks, and the model to ask, as values that can be sent."""

    model: AskedModel
    tasks: Sequence[RepositoryTask]
    history: bytes = field(repr=False)
    """The commits, as `lab.repository.history` packs them."""
    inside: str
    """The place of the project in the repository, such as `services/web/`; empty at its top."""
    sandbox: SandboxSettings
    versions: tuple[tuple[str, str], ...]
    """The version of elagent and the engine, for the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayWork:
    """One reply to each task, judged by its tests."""

    sent: SentRepository

    @asynccontextmanager
    async def open(self, place: Place) -> AsyncIterator[Opened[SampleKey, Sample]]:
        """See `Work.open`."""
        async with _Unpacked.opened(self.sent, place) as here:
            yield here.making(_answered)


async def _answered(task: RepositoryTask, tree: CommitTree, model: Model) -> Sample:
    return (await roll_out(task, tree=tree, model=model)).sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The replies of a model to one task, as experiences to be stored."""

    drafts: tuple[Experience, ...]
    solved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherWork:
    """Several replies to each task, until one passes, to learn from."""

    sent: SentRepository

    @asynccontextmanager
    async def open(self, place: Place) -> AsyncIterator[Opened[SampleKey, Attempts]]:
        """See `Work.open`."""
        async with _Unpacked.opened(self.sent, place) as here:
            yield here.making(_attempted)


async def _attempted(task: RepositoryTask, tree: CommitTree, model: Model) -> Attempts:
    drafts: list[Experience] = []
    solved = await attempts(task, tree, model, on_draft=drafts.append)
    return Attempts(drafts=tuple(drafts), solved=solved)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unpacked:
    """The repository on this machine, its tests in the sandbox, and the model."""

    model: Model
    manifest: ResultManifest
    recipe: str
    trees: CommitTrees
    tasks: Mapping[str, RepositoryTask]

    def making(
        self, row_of: Callable[[RepositoryTask, CommitTree, Model], Awaitable[Row]]
    ) -> Opened[SampleKey, Row]:
        """The work of making one row of each task with the files of its commit."""

        async def make(key: SampleKey) -> Row:
            task = self.tasks[key[0]]
            return await row_of(task, await self.trees.at(task.commit), self.model)

        return Opened(manifest=self.manifest, make=make, recipe=self.recipe)

    @classmethod
    @asynccontextmanager
    async def opened(cls, sent: SentRepository, place: Place) -> AsyncIterator[Self]:
        """Unpack it into a temporary folder, and open what its tasks need.

        Raises:
            WorkspaceError, SandboxError, ModelError, EvaluationError: If something is missing here.
        """
        with tempfile.TemporaryDirectory(prefix="elagent-repository-") as folder:
            top = Path(folder, "repository")
            await asyncio.to_thread(unpack_history, sent.history, top, place.environ)
            root, state = top / sent.inside, Path(folder, "state")
            project_open = open_project(
                Workspace(root, state / "shadow.git", environ=place.environ),
                settings=sent.sandbox,
                state_dir=make_private(place.paths.sandbox),
                session=f"repo-{uuid.uuid4().hex[:8]}",
                say=place.say,
            )
            async with (
                project_open as project,
                open_trees(root, place.environ, project) as trees,
                place.asking(sent.model, served=True) as model,
            ):
                if model.asked is None:
                    raise EvaluationError("a repository's tasks need a model behind a server")
                about = BenchConditions(
                    model=model.name,
                    weights_sha256=model.weights_sha256,
                    image_id=project.image_id,
                    versions=dict(sent.versions),
                )
                yield cls(
                    model=model.asked,
                    manifest=repository_manifest(about, model.adapter),
                    recipe=project.image_recipe,
                    trees=trees,
                    tasks={task.id: task for task in sent.tasks},
                )
