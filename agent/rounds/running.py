"""Runs the learning of one opened repository: rounds, trials of their adapters, self-play repair."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path

from agent.events import Notice
from agent.model.protocol import GapFiller
from agent.paths import make_private
from agent.rounds.jobs import only_one_round
from agent.rounds.learn import learn
from agent.rounds.options import LearnOptions
from agent.rounds.process import LearnerSwitch
from agent.rounds.self_play import SelfPlayOptions, copy_project, self_play
from agent.rounds.trial.settling import settle
from agent.rounds.yields import append_yield
from agent.session.resources import Resources
from agent.streaming import Emit
from agent.workspace.workspace import Workspace
from learning.extra import need, problem
from learning.model.resolve import resolve
from learning.promotion.adapters import AdapterStore
from sandbox.host.children import in_thread


async def run_round(
    resources: Resources, options: LearnOptions, switch: LearnerSwitch | None, emit: Emit
) -> None:
    """Learn from what was captured; the last event is `LearnFinished`.

    This may run beside another job; `switch` pauses its worker meanwhile.

    Raises:
        NotInstalledError: If the packages that training needs are not installed; a dry run only says so.
    """
    if not options.dry_run:
        need("Learning")
    elif lacks := problem("Learning"):
        emit(Notice(lacks))
    context = resources.context
    name = context.settings.model.name
    model = await asyncio.to_thread(resolve, name, context.paths.models)
    rounds = learn(
        store=await asyncio.to_thread(resources.store),
        adapters=AdapterStore(context.repository.adapters),
        model=model,
        repository=context.root.name,
        jobs=make_private(context.repository.learn),
        options=options,
        measure=resources.trials(emit).within(options.trial_s, switch),
        uses=partial(resources.uses().rows, options, model=model.name),
        switch=switch,
        environ=context.environ,
    )
    async for event in rounds:
        emit(event)


async def run_trial(resources: Resources, name: str, budget_s: float, emit: Emit) -> None:
    """Try an adapter against what is in use; the last event is `LearnFinished`.

    What was answered in an earlier trial of it is not asked again.
    """
    trials = resources.trials(emit)
    adapters, base = trials.adapters, (await trials.model()).identity
    with only_one_round(make_private(resources.context.repository.learn)):
        manifest = adapters.verify(adapters.find(name), base=base)
        trial = await trials.measure(manifest, emit, budget_s=budget_s)
        emit(settle(adapters, manifest, trial, base=base, now=time.time()))


async def run_self_play(
    resources: Resources, workspace: Workspace, options: SelfPlayOptions, emit: Emit
) -> None:
    """Retry failures that nobody fixed, in a copy of the files; the last event says the yield."""
    project = await resources.project(emit, None)
    model = await resources.model(emit)
    files = await in_thread(workspace.list_files)
    with tempfile.TemporaryDirectory(prefix="elagent-self-play-") as folder:
        copy = Path(folder)
        await in_thread(copy_project, workspace.root, files, copy)
        learned = make_private(resources.context.repository.learn)
        copied = project.on_copy(copy)
        events = self_play(
            copy=copy,
            files=files,
            runner=copied,
            tester=copied,
            filler=model if isinstance(model, GapFiller) else None,
            model=model,
            store=await asyncio.to_thread(resources.store),
            advise=resources.advisor(project, emit).for_test,
            options=replace(options, search_s=resources.context.settings.fix.search_s),
            on_yield=partial(append_yield, learned),
        )
        async with aclosing(events) as closing:
            async for event in closing:
                emit(event)
