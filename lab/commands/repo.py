"""`elagent eval repo` and `capability`: a repository's own history as tasks; its tests are the judge."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import click

from agent.assistant import Assistant
from agent.events import LearnFinished, Notice
from agent.paths import make_private
from agent.rounds.options import round_options
from agent.rounds.trial.capability import measure_capabilities
from agent.rounds.trial.replay import Part, gather, replay
from agent.session.capture import Recorder
from agent.session.context import Context
from lab.commands.options import ENGINE, JSON, LIMIT, MODEL
from lab.commands.progress import progress
from lab.commands.report import show, show_comparison
from lab.report import compare, task_means
from learning.evaluation.samples import Sample, SampleFile
from learning.extra import need
from learning.promotion.capability import Capability, known_capabilities
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
    model: str | None,
    engine: str | None,
    as_json: bool,
) -> int:
    if learns and (adapter or part != "held-out"):
        raise click.UsageError("--learn makes the adapter itself and measures the held-out part")
    if learns:
        need("Learning")
    where = context(path, {"model.name": model, "model.engine": engine})
    presenter = TextPresenter(make_console(stderr=True))
    stages = RepositoryStages(where, presenter, limit=limit, budget_s=budget or _BUDGET_S)
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
        self, where: Context, presenter: Presenter, *, limit: int | None, budget_s: float
    ) -> None:
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
        return await replay(
            assistant.trials(emit),
            emit=emit,
            part=part,
            adapter=adapter,
            limit=self._limit,
            budget_s=self._budget_s,
            on_sample=progress(),
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
