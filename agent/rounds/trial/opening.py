"""Opens the resources of a repository's trial: its tests in the sandbox, the systems, a judge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from agent.events import Notice
from agent.mining.finding import find_tasks
from agent.mining.split import held_out
from agent.mining.tasks import RepositoryTask, TaskFile
from agent.mining.trees import CommitTrees, open_trees
from agent.paths import Paths, make_private
from agent.rounds.process import LearnerSwitch
from agent.rounds.trial.bench import Bench, BenchConditions
from agent.rounds.trial.claimed import ClaimedTasks, library_tasks, repository_tasks
from agent.rounds.trial.ledger import TrialLedger
from agent.rounds.trial.program_judge import Judge, LateJudge
from agent.rounds.trial.run import KeptTasks, TrialResources, expected_s, run_trial
from agent.rounds.trial.systems import TrialError, served_systems
from agent.rounds.trial.use_tasks import USE_LIMITS
from agent.settings.schema import Settings
from agent.streaming import Emit
from agent.testing.project import ProjectTests
from learning.evaluation.task import Task
from learning.experience.store import ExperienceStore
from learning.model.catalog import InstalledModel
from learning.model.resolve import resolve
from learning.promotion.adapters import AdapterManifest, AdapterStore
from learning.promotion.claims import Claim, claim_of, learned_uses
from learning.promotion.gate import MIN_CONFIRMING, MIN_HELD_OUT, Trial
from learning.promotion.lineage import lineage, tainted
from learning.promotion.regression import regression_problems
from learning.records import Origin, Verdict
from sandbox.host.children import in_thread
from sandbox.images.base import ensure_base

Uses = Callable[[Collection[str], Judge, Emit], Awaitable[Sequence[Task]]]
"""Makes tasks, for a judge in the project's image, from held-out uses of the APIs whose learned contexts have
these ids. None of the ids is that of a task."""
_READ_BYTES_PER_S = 9e9
"""Speed at which two cores of a small machine read weights."""
_MINUTE_S = 60
_SEARCH_SHARE = 1 / 3
"""Largest share of the budget for the search for tasks."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """Means by which the tasks of one trial are made."""

    candidate: str
    incumbent: str | None
    bench: Bench
    trees: CommitTrees
    use_judge: Judge
    emit: Emit
    budget_s: float
    speed: float
    """Guessed tokens a second of replies."""
    switch: LearnerSwitch | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """The trials of one repository."""

    root: Path
    settings: Settings
    paths: Paths
    launcher: Sequence[str]
    environ: Mapping[str, str]
    store: ExperienceStore
    project: Callable[[], Awaitable[ProjectTests]]
    """Opens the repository's tests when they are first needed."""
    uses: Uses | None = None
    """Held-out uses of the APIs that an adapter learned; None where nothing makes such tasks."""

    @property
    def folder(self) -> Path:
        """The folder of tasks, records and answers."""
        return self.paths.repository(self.root).trials

    @property
    def answers(self) -> Path:
        """The folder of the systems' answers."""
        return make_private(self.folder) / "answers"

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of elagent and the engine, for manifests."""
        return {"elagent": version("elagent"), "engine": self.settings.model.engine}

    @property
    def adapters(self) -> AdapterStore:
        return AdapterStore(self.paths.repository(self.root).adapters)

    @property
    def in_use(self) -> str | None:
        """The adapter that answers now; None is the bare base model."""
        active = self.adapters.active()
        return active.name if active is not None else None

    async def model(self) -> InstalledModel:
        """The base model.

        Raises:
            TrialError: If it runs on a foreign server.
            ModelError: If it is not installed.
        """
        if self.settings.model.base_url:
            raise TrialError("an adapter cannot be tried on the server of model.base_url")
        return await asyncio.to_thread(resolve, self.settings.model.name, self.paths.models)

    @asynccontextmanager
    async def bench(self, emit: Emit) -> AsyncIterator[tuple[Bench, CommitTrees]]:
        """The bench for this repository's systems, with the files of its commits.

        Raises:
            SandboxError, ModelError, TrialError: If something is missing.
        """
        base, project = await self.model(), await self.project()

        def say(text: str) -> None:
            emit(Notice(text))

        image = await in_thread(ensure_base, source=self.settings.sandbox.image, on_progress=say)
        async with (
            open_trees(self.root, self.environ, project) as trees,
            LateJudge(image.id, lock_dir=make_private(self.paths.sandbox)) as judge,
            served_systems(
                adapters=self.adapters,
                settings=self.settings.model,
                paths=self.paths,
                launcher=self.launcher,
                environ=self.environ,
                say=say,
            ) as systems,
        ):
            about = BenchConditions(
                model=base.name,
                weights_sha256=base.identity.weights_sha256,
                image_id=project.image_id,
                regression_image_id=image.id,
                versions=self.versions,
            )
            answers = self.answers
            yield (
                Bench(systems=systems, trees=trees, judge=judge, folder=answers, about=about),
                trees,
            )

    async def find(
        self,
        trees: CommitTrees,
        emit: Emit,
        *,
        budget_s: float,
        switch: LearnerSwitch | None = None,
    ) -> TaskFile:
        """All tasks of the repository's commits, with those that this search adds.

        Raises:
            SandboxError: If the sandbox gives no answer.
            StoreError: If the experiences cannot be read.
        """
        make_private(self.folder)
        known = TaskFile(self.paths.repository(self.root).tasks)
        failures = [
            each
            for each in self.store.list()
            if each.origin is Origin.FIX and each.verdict is Verdict.FAIL
        ]
        await find_tasks(
            self.root,
            environ=self.environ,
            trees=trees,
            known=known,
            emit=emit,
            budget_s=budget_s,
            failures=failures,
            switch=switch,
        )
        return known

    async def measure(
        self,
        candidate: AdapterManifest,
        emit: Emit,
        *,
        budget_s: float,
        switch: LearnerSwitch | None = None,
    ) -> Trial:
        """Try an adapter against the system in use, within the budget.

        Raises:
            TrialError: If this adapter may not be tried.
            AgentError, LearningError, SandboxError: If something is missing or gives no answer.
        """
        if any(each.name == candidate.name for each in self._tainted()):
            raise TrialError(
                f"{candidate.name} was made from something forgotten:"
                f" `elagent learn --rebuild {candidate.name}` makes it again without that"
            )
        incumbent = self.in_use
        async with self.bench(emit) as (bench, trees), self._use_judge() as use_judge:
            claim, speed = claim_of(candidate), _guessed_speed(await self.model())
            asking = _Asking(
                candidate.name, incumbent, bench, trees, use_judge, emit, budget_s, speed, switch
            )
            tasks = await self._tasks(claim, asking)
            kept = None
            if incumbent is not None and (other := claim_of(self.adapters.get(incumbent))) != claim:
                kept = KeptTasks(tasks=await self._tasks(other, asking), words=other.tasks)
            means = TrialResources(
                bench=bench,
                ledger=TrialLedger(self.folder),
                emit=emit,
                budget_s=budget_s,
                regression=regression_problems(),
                tokens_per_s=speed,
                switch=switch or LearnerSwitch(),
            )
            return await _announced_trial(
                candidate, incumbent=incumbent, tasks=tasks, claim=claim, means=means, kept=kept
            )

    async def _tasks(self, claim: Claim, asking: _Asking) -> ClaimedTasks:
        """The tasks of a claim that neither system was trained on."""
        if claim is Claim.LIBRARY:
            uses = await self._held_out_uses(asking)
            return library_tasks(asking.bench, uses, tokens_per_s=asking.speed)
        found = await self.find(
            asking.trees,
            asking.emit,
            budget_s=asking.budget_s * _SEARCH_SHARE,
            switch=asking.switch,
        )
        judging = _may_judge(
            found,
            candidate=asking.candidate,
            incumbent=asking.incumbent,
            adapters=self.adapters,
            store=self.store,
        )
        return repository_tasks(
            asking.bench, found.tasks, eligible=judging, tokens_per_s=asking.speed
        )

    async def _held_out_uses(self, asking: _Asking) -> Sequence[Task]:
        """Uses of the learned APIs that neither system was trained on, in a stable order."""
        if self.uses is None:
            return ()
        systems = [name for name in (asking.candidate, asking.incumbent) if name is not None]
        learned = learned_uses(each for name in systems for each in lineage(self.adapters, name))
        return await self.uses(learned, asking.use_judge, asking.emit)

    @asynccontextmanager
    async def _use_judge(self) -> AsyncIterator[Judge]:
        """A judge in the image that has the project's libraries."""
        image_id = (await self.project()).image_id
        lock_dir = make_private(self.paths.sandbox)
        async with LateJudge(image_id, lock_dir=lock_dir, limits=USE_LIMITS) as judge:
            yield judge

    def within(
        self, budget_s: float | None, switch: LearnerSwitch | None
    ) -> Callable[[AdapterManifest, Emit], Awaitable[Trial]] | None:
        """`measure` with a fixed budget, for `agent.rounds.learn`; None without a budget."""
        if budget_s is None:
            return None

        async def measured(candidate: AdapterManifest, emit: Emit) -> Trial:
            return await self.measure(candidate, emit, budget_s=budget_s, switch=switch)

        return measured

    def _tainted(self) -> Sequence[AdapterManifest]:
        return tainted(self.adapters, self.store.forgotten())


def _guessed_speed(model: InstalledModel) -> float:
    """Tokens a second on a small CPU: each reads all weights once."""
    weights = model.gguf or (model.hf and model.hf / "model.safetensors")
    size = weights.stat().st_size if weights and weights.exists() else _READ_BYTES_PER_S / 8
    return _READ_BYTES_PER_S / max(1, size)


def _may_judge(
    known: TaskFile,
    *,
    candidate: str,
    incumbent: str | None,
    adapters: AdapterStore,
    store: ExperienceStore,
) -> Sequence[RepositoryTask]:
    """The held-out tasks that no experience of either system is about, oldest first.

    Raises:
        AdapterError: If the candidate is missing or damaged.
        StoreError: If the experiences cannot be read.
    """
    systems = [candidate] if incumbent is None else [candidate, incumbent]
    made = [each for name in systems for each in lineage(adapters, name)]
    ids = {id_ for each in made for id_ in each.experience_ids}
    found = (store.get(id_) for id_ in sorted(ids))
    return held_out(
        known,
        [each for each in found if each is not None],
        files={path for each in made for path in each.taught_files},
        tests={test for each in made for test in each.taught_tests},
    )


async def _announced_trial(
    candidate: AdapterManifest,
    *,
    incumbent: str | None,
    tasks: ClaimedTasks,
    claim: Claim,
    means: TrialResources,
    kept: KeptTasks | None,
) -> Trial:
    """Emit the expected time of a trial on these tasks, then run it."""
    plan = means.ledger.plan(candidate.name, incumbent, tasks.eligible, there=tasks.known)
    seconds = expected_s(plan, tasks, means, kept)
    enough = len(plan.held_out) >= MIN_HELD_OUT
    means.emit(
        Notice(
            f"{claim.tasks}: {len(plan.held_out)} held out and {len(plan.confirming)} fresh ones"
            f" ({MIN_HELD_OUT} and {MIN_CONFIRMING} are needed)"
            + (f": at most about {max(1, round(seconds / _MINUTE_S))} min" if enough else "")
        )
    )
    return await run_trial(plan, tasks, means, claim, kept=kept)
