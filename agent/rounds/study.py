"""What a session does about learning: rounds, trials of their adapters, and practice."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent.events import Event
from agent.paths import RepositoryPaths, make_private
from agent.rounds.jobs import only_one_round
from agent.rounds.learn import learn
from agent.rounds.options import LearnOptions
from agent.rounds.process import LearnerSwitch
from agent.rounds.self_play import SelfPlayOptions, copy_project, self_play
from agent.rounds.trial.settling import settle
from agent.rounds.yields import append_yield
from agent.session.resources import Resources
from agent.streaming import Emit, stream_events
from agent.workspace.workspace import Workspace
from learning.model.resolve import resolve
from learning.promotion.adapters import AdapterStore
from sandbox.host.children import in_thread

if TYPE_CHECKING:
    from agent.rounds.trial.opening import Trials


class Study:
    """The learning of one repository; each job is an iterator of events."""

    def __init__(
        self, resources: Resources, repository: RepositoryPaths, workspace: Workspace
    ) -> None:
        self._resources = resources
        self._repository = repository
        self._workspace = workspace

    def learn(
        self, options: LearnOptions, *, switch: LearnerSwitch | None = None
    ) -> AsyncGenerator[Event, None]:
        """Run one learning round on what was captured; the last event is `LearnFinished`.

        This may run beside another job; `switch` pauses its worker meanwhile.
        """

        async def work(emit: Emit) -> None:
            parts = self._resources.parts
            name = parts.settings.model.name
            model = await asyncio.to_thread(resolve, name, parts.paths.models)
            rounds = learn(
                store=await asyncio.to_thread(self._resources.store),
                adapters=AdapterStore(self._repository.adapters),
                model=model,
                repository=parts.root.name,
                jobs=make_private(self._repository.learn),
                options=options,
                measure=self.trials(emit).within(options.trial_s, switch),
                switch=switch,
                environ=parts.environ,
            )
            async for event in rounds:
                emit(event)

        return stream_events(work)

    def try_adapter(self, name: str, *, budget_s: float) -> AsyncGenerator[Event, None]:
        """Try an adapter against what is in use; the last event is `LearnFinished`.

        What was answered in an earlier trial of it is not asked again.
        """

        async def work(emit: Emit) -> None:
            trials = self.trials(emit)
            adapters, base = trials.adapters, (await trials.model()).identity
            with only_one_round(make_private(self._repository.learn)):
                manifest = adapters.verify(name, base=base)
                trial = await trials.measure(manifest, emit, budget_s=budget_s)
                emit(settle(adapters, manifest, trial, base=base, now=time.time()))

        return stream_events(work)

    def self_play(self, options: SelfPlayOptions) -> AsyncGenerator[Event, None]:
        """Retry failures that nobody fixed, in a copy of the files; the last event says the yield."""

        async def work(emit: Emit) -> None:
            project = await self._resources.project(emit, None)
            model = await self._resources.model(emit)
            files = await in_thread(self._workspace.list_files)
            with tempfile.TemporaryDirectory(prefix="elagent-self-play-") as folder:
                copy = Path(folder)
                await in_thread(copy_project, self._workspace.root, files, copy)
                events = self_play(
                    copy=copy,
                    files=files,
                    runner=project.on_copy(copy),
                    model=model,
                    store=await asyncio.to_thread(self._resources.store),
                    advise=self._resources.advisor(project, emit).for_test,
                    options=options,
                    on_yield=partial(append_yield, make_private(self._repository.learn)),
                )
                async with aclosing(events) as closing:
                    async for event in closing:
                        emit(event)

        return stream_events(work)

    def trials(self, emit: Emit) -> Trials:
        """The trials of this repository, for whoever measures; nothing is opened yet."""
        return self._resources.trials(emit)
