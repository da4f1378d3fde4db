"""`elagent eval repo` and `capability`: a repository's own history as tasks; its tests are the judge."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import click

from agent.assistant import Assistant
from agent.events import LearnFinished, Notice, Progress
from agent.mining.split import older_part
from agent.mining.tasks import RepositoryTask, TaskFile
from agent.paths import make_private
from agent.rounds.options import round_options
from agent.rounds.trial.bench import answer_file
from agent.rounds.trial.capability import measure_capabilities
from agent.rounds.trial.opening import Trials
from agent.rounds.trial.replay import Part, gather, learned_by, part_of, replay
from agent.session.capture import Recorder
from agent.session.context import Context
from lab.cluster.ray_cluster import Cluster, opened_on, see_answering
from lab.commands.options import CLUSTER, ENGINE, JSON, LIMIT, MODEL, WORKERS
from lab.commands.progress import progress, say
from lab.commands.report import show, show_comparison
from lab.report import compare, task_means
from lab.repository.history import packed_history, place_in
from lab.repository.work import GatherWork, ReplayWork, SentRepository
from lab.rows.place import AskedModel
from learning.evaluation.run import complete
from learning.evaluation.samples import Sample, SampleFile
from learning.extra import need
from learning.promotion.capability import Capability, known_capabilities
from sandbox.host.children import in_thread
from tui.commands.learn import Budget
from tui.running import open_assistant, run_async
from tui.show.plain import Presenter, TextPresenter, make_console, show_all
from tui.wiring import context

_BUDGET_S = 3600.0


@click.command(
    help="Measure a repository's own history: functions broken again, judged by its tests."
)
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option(
    "--part",
    type=click.Choice(get_args(Part)),
    default="held-out",
    show_default=True,
    help="The tasks that are measured: those that nothing is learned from, the older ones, or all.",
)
@click.option("--adapter", metavar="NAME", help="An adapter of this repository. [the bare model]")
@click.option("--learn", "learns", is_flag=True, help="First learn from the older part.")
@LIMIT
@click.option(
    "--budget", type=Budget(), metavar="TIME", help="Limit of each stage, e.g. 30m. [60m]"
)
@CLUSTER
@WORKERS
@MODEL
@ENGINE
@JSON
def repo(
    *,
    path: Path,
    part: Part,
    adapter: str | None,
    learns: bool,
    limit: int | None,
    budget: float | None,
    cluster: str | None,
    workers: int | None,
    model: str | None,
    engine: str | None,
    as_json: bool,
) -> int:
    if learns and (adapter or part != "held-out"):
        raise click.UsageError("--learn makes the adapter itself and measures the held-out part")
    if learns:
        need("Learning")
    where = context(path, {"model.name": model, "model.engine": engine})
    if cluster is None and workers is not None:
        raise click.UsageError("--workers needs --cluster")
    nodes = Cluster(address=cluster, workers=workers) if cluster is not None else None
    if nodes is not None:
        see_answering(nodes)
    presenter = TextPresenter(make_console(stderr=True))
    stages = RepositoryStages(
        where, presenter, limit=limit, budget_s=budget or _BUDGET_S, nodes=nodes
    )
    try:
        results = run_async(stages.learned() if learns else stages.measured(part, [adapter]))
    finally:
        presenter.close()
    for file, samples in results:
        show(file, samples, of_tasks=len(samples), as_json=as_json)
    for file, _ in results[1:]:
        _compared(results[0][0], file, as_json=as_json)
    return 0


Results = list[tuple[SampleFile, Sequence[Sample]]]


class RepositoryStages:
    """The stages of the command: make experience, learn from it, measure."""

    def __init__(
        self,
        where: Context,
        presenter: Presenter,
        *,
        limit: int | None,
        budget_s: float,
        nodes: Cluster | None = None,
    ) -> None:
        """With `nodes` a cluster makes the experience and measures; tasks are found and learned here."""
        self._nodes = nodes
        self._where = where
        self._presenter = presenter
        self._limit = limit
        self._budget_s = budget_s

    async def measured(self, part: Part, adapters: Sequence[str | None]) -> Results:
        """Measure each system at the same tasks."""
        async with open_assistant(self._where) as assistant:
            return [await self._replay(assistant, part, adapter) for adapter in adapters]

    async def learned(self) -> Results:
        """Make experience of the older part, learn one round from it, measure both at the later part."""
        where = self._where
        async with open_assistant(where) as assistant:
            emit = self._presenter.show
            trials = assistant.trials(emit)
            recorder = Recorder(
                trials.store, repository=where.root.name, session=f"repo-{uuid.uuid4().hex[:8]}"
            )
            if self._nodes is not None:
                solved = await self._gathered_on(trials, self._nodes, recorder)
            else:
                solved = await gather(
                    trials, recorder, emit=emit, limit=self._limit, budget_s=self._budget_s
                )
            emit(Notice(f"{solved} of the older tasks were solved"))
            await assistant.reconnect()  # the learner needs the memory of the model
            options = round_options(where.settings.learn, budget_s=self._budget_s, trial=False)
            done = await show_all(assistant.learn(options), self._presenter)
            systems = [trials.in_use]
            if isinstance(done, LearnFinished) and done.adapter:
                systems.append(done.adapter)
            return [await self._replay(assistant, "held-out", system) for system in systems]

    async def _replay(
        self, assistant: Assistant, part: Part, adapter: str | None
    ) -> tuple[SampleFile, Sequence[Sample]]:
        emit = self._presenter.show
        if self._nodes is not None:
            return await self._on_nodes(assistant.trials(emit), self._nodes, part, adapter)
        return await replay(
            assistant.trials(emit),
            emit=emit,
            part=part,
            adapter=adapter,
            limit=self._limit,
            budget_s=self._budget_s,
            on_sample=progress(),
        )

    async def _on_nodes(
        self, trials: Trials, nodes: Cluster, part: Part, adapter: str | None
    ) -> tuple[SampleFile, Sequence[Sample]]:
        """Find the tasks here, and get the system's answers from the machines of a cluster."""
        known = await self._found(trials)
        tasks = part_of(known, part, learned_by(trials, adapter))[: self._limit]
        work = ReplayWork(sent=await self._sent(trials, tasks, adapter))
        keys = [(task.id, 0) for task in tasks]
        shown = progress()
        async with opened_on(nodes, work, say=say) as opened:
            file = answer_file(trials.answers, opened.manifest)
            async with self._in_time():
                await complete(file.rows, keys, opened.make, at_once=opened.at_once, on_row=shown)
        found = file.read()
        samples = [found[key] for key in keys if key in found]
        if len(samples) < len(keys):
            self._presenter.show(Notice("the time is used up; the same command goes on", "warning"))
        return file, samples

    async def _gathered_on(self, trials: Trials, nodes: Cluster, recorder: Recorder) -> int:
        """Make experience of the older part on a cluster; every task is stored here once it is done."""
        tasks = older_part(await self._found(trials))[: self._limit]
        work = GatherWork(sent=await self._sent(trials, tasks, trials.in_use))
        solved, emit = 0, self._presenter.show
        async with opened_on(nodes, work, say=say) as opened:
            making = [asyncio.ensure_future(opened.make((task.id, 0))) for task in tasks]
            done = 0
            try:
                async with self._in_time():
                    for next_ in asyncio.as_completed(making):
                        made = await next_
                        for draft in made.drafts:
                            recorder.record(draft)
                        solved, done = solved + made.solved, done + 1
                        emit(Progress(done, len(tasks), "tasks"))
                if done < len(tasks):
                    emit(Notice("the time for experience is used up", "warning"))
            finally:
                for each in making:
                    each.cancel()
                await asyncio.gather(*making, return_exceptions=True)
        return solved

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Ends what is within when the stage's time is used up; a timeout of anything else goes on."""
        limit = asyncio.timeout(self._budget_s)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise

    async def _found(self, trials: Trials) -> TaskFile:
        emit = self._presenter.show
        async with trials.bench(emit) as (_, trees):
            return await trials.find(trees, emit, budget_s=self._budget_s)

    async def _sent(
        self, trials: Trials, tasks: Sequence[RepositoryTask], adapter: str | None
    ) -> SentRepository:
        settings, environ = self._where.settings, self._where.environ
        folder = (adapter, trials.adapters.path(adapter)) if adapter else None
        return SentRepository(
            model=AskedModel(settings=settings.model, adapter=folder).to_send(),
            tasks=tuple(tasks),
            history=await in_thread(packed_history, trials.root, environ),
            inside=await in_thread(place_in, trials.root, environ),
            sandbox=settings.sandbox,
            versions=tuple(trials.versions.items()),
        )


def _compared(a: SampleFile, b: SampleFile, *, as_json: bool) -> None:
    """Both systems, paired; only tasks that both answered count."""
    found = compare(task_means(a.read().values()), task_means(b.read().values()))
    show_comparison(a.manifest, b.manifest, found, as_json=as_json)


@click.command(
    help="Tell whether the model reads failures: repeat failed steps with and without evidence."
)
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--budget", type=Budget(), metavar="TIME", help="Stop after e.g. 30m. [60m]")
@MODEL
@JSON
def capability(*, path: Path, budget: float | None, model: str | None, as_json: bool) -> None:
    where = context(path, {"model.name": model})
    presenter = TextPresenter(make_console(stderr=True))
    folder = make_private(where.repository.learn)

    async def run() -> Sequence[Capability]:
        async with open_assistant(where) as assistant:
            trials = assistant.trials(presenter.show)
            base = await trials.model()
            await measure_capabilities(
                trials,
                base=base.identity,
                model=base.name,
                folder=folder,
                emit=presenter.show,
                budget_s=budget or _BUDGET_S,
            )
            return list(known_capabilities(folder, base.identity).values())

    try:
        known = run_async(run())
    finally:
        presenter.close()
    for each in known:
        click.echo(json.dumps(dataclasses.asdict(each)) if as_json else each.words)
