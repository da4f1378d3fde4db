"""Uses of library APIs in a round: builds contexts of what failed, and makes rows and judging tasks of them.

An API is learned if a session's step, the survey of its library, or older code of the repository failed by what
the installed release does not have. A third of its contexts that can be asked for is never learned and judges the adapter.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.contexts.boxed import modules_of, version_of
from agent.contexts.building import ContextBuilder
from agent.contexts.explaining import Explained
from agent.contexts.failures import ApiFailure, failures_of, missing_in
from agent.contexts.rows import pair_rows, pass_rows, repair_rows
from agent.contexts.survey import surveyed_failures
from agent.events import Notice, Progress, StageStarted
from agent.paths import make_private
from agent.rounds.options import LearnOptions
from agent.rounds.trial.program_judge import Judge
from agent.rounds.trial.use_tasks import usable, use_task
from agent.streaming import Emit
from learning.contexts.change import ApiChange
from learning.contexts.context import ApiContext
from learning.contexts.parts import judging_part, learned_part
from learning.evaluation.task import Task
from learning.experience.store import ExperienceStore
from learning.records import Experience
from learning.training.job import Example, ExampleKind
from sandbox.box.contract import Sandbox, SandboxError

BUILD_S = 25.0
"""Rough time of the contexts of one API."""
_WANTED = 48
"""Contexts of an API that are built: those to learn, and those that judge."""
_ANCHORS = 0.6
_PASSES = 0.4
"""Rows on which nothing should change, for each row about a changed API: half of a round is about changes."""
_LOOK_ALIKES = 0.25
"""Share of the anchors that use a name which is gone elsewhere."""
_MINUTE_S = 60


class Installed(Protocol):
    """A project with its libraries installed in a sandbox."""

    @property
    def sandbox(self) -> Sandbox: ...

    @property
    def requirements(self) -> Sequence[str]:
        """Lines of its own requirements."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryUses:
    """The uses of library APIs that one repository's rounds learn, and that judge their adapters."""

    store: Callable[[], ExperienceStore]
    project: Callable[[Emit], Awaitable[Installed]]
    """Opens the project when it is first needed."""
    folder: Path
    """Folder of the contexts, one file for each release."""
    old_code: Callable[[], Sequence[ApiFailure]] = tuple
    """Gives the failures of the repository's own older code."""

    async def rows(self, options: LearnOptions, emit: Emit, *, model: str) -> Sequence[Example]:
        """Rows about what the installed libraries no longer have; none where nothing failed by that.

        Contexts that are not kept yet are built first. Without a sandbox a notice says what is left out.

        Raises:
            StoreError: If the experiences cannot be read.
            DataError: If the answers of a survey cannot be read.
        """
        if ExampleKind.API_PAIR not in options.kinds:
            return ()
        store = await asyncio.to_thread(self.store)
        every = await asyncio.to_thread(store.list)
        experiences = [e for e in every if e.model == model and e.origin not in options.leave_out]
        failures = [
            *failures_of(experiences),
            *await asyncio.to_thread(surveyed_failures, self.folder),
            *await asyncio.to_thread(self.old_code),
        ]
        lacking = {missing.key for each in failures if (missing := missing_in(each)) is not None}
        if not lacking:
            return ()
        if options.dry_run:
            minutes = max(1, round(len(lacking) * BUILD_S / _MINUTE_S))
            emit(
                Notice(
                    f"verified uses would be built first, and learned as well: {_counted(lacking)}"
                    f" failed, at most about {minutes} min"
                )
            )
            return ()
        try:
            return await self._built(failures, experiences, model, options.seed, emit)
        except SandboxError as err:
            emit(Notice(f"uses of libraries are not learned in this round: {err}", "warning"))
            return ()

    async def tasks(self, learned: Collection[str], judge: Judge, emit: Emit) -> Sequence[Task]:
        """Held-out uses of the APIs whose contexts have these ids, in an order that mixes the APIs.

        Raises:
            SandboxError: If there is no engine, no image, or a dependency cannot be had.
        """
        project = await self.project(emit)
        libraries = await installed_modules(project)
        contexts = [
            context
            for library, version in (await _versions(project.sandbox, libraries)).items()
            for context in self._builder(project.sandbox, emit).known(library, version)
        ]
        apis = {each.api for each in contexts if each.id in learned}
        held_out = judging_part(contexts, apis=apis, learned=learned)
        held_out.sort(key=lambda each: each.id)
        return await usable([use_task(context, judge) for context in held_out])

    async def _built(
        self,
        failures: Sequence[ApiFailure],
        experiences: Sequence[Experience],
        model: str,
        seed: int,
        emit: Emit,
    ) -> Sequence[Example]:
        project = await self.project(emit)
        builder = self._builder(project.sandbox, emit)
        explained, unexplained = await builder.explain(failures, await installed_modules(project))
        if unexplained:
            names = ", ".join(each.missing for each in unexplained)
            emit(Notice(f"no successor is known of {names}: nothing is learned of them"))
        changes = [each.change for each in explained]
        contexts = await _contexts(builder, changes, emit)
        learned = learned_part(contexts)
        pairs = [
            *repair_rows(experiences, changes, model=model),
            *pair_rows(learned, model=model, seed=seed, experiences=_experiences(explained)),
        ]
        anchors = await _anchors(builder, changes, learned)
        return [
            *pairs,
            *pair_rows(anchors, model=model, noted=0.0, seed=seed),
            *pass_rows(experiences, model=model, most=math.ceil(_PASSES * len(pairs))),
        ]

    def _builder(self, sandbox: Sandbox, emit: Emit) -> ContextBuilder:
        def say(text: str) -> None:
            emit(Notice(text))

        return ContextBuilder(sandbox, folder=make_private(self.folder), wanted=_WANTED, say=say)


def required_packages(project: Installed) -> list[str]:
    """Names of the packages that a project itself requires."""
    return [m[0] for line in project.requirements if (m := re.match(r"[\w.-]+", line))]


async def installed_modules(project: Installed) -> list[str]:
    """Top-level modules of the packages that a project requires, as far as they are installed.

    Raises:
        SandboxError: If the box cannot be used.
    """
    modules = await modules_of(project.sandbox, required_packages(project))
    return list(dict.fromkeys(module for found in modules.values() for module in found))


async def _versions(sandbox: Sandbox, libraries: Sequence[str]) -> Mapping[str, str]:
    return {library: await version_of(sandbox, library) for library in libraries}


async def _contexts(
    builder: ContextBuilder, changes: Sequence[ApiChange], emit: Emit
) -> list[ApiContext]:
    """The contexts of all changes, library by library, with what is left in time."""
    by_library: dict[str, list[ApiChange]] = defaultdict(list)
    for change in changes:
        by_library[change.library].append(change)
    emit(StageStarted(f"building verified uses of {len(changes)} APIs"))
    contexts: list[ApiContext] = []
    started, done = time.monotonic(), 0
    for group in by_library.values():
        for api, made in (await builder.build(group)).items():
            emit(Notice(f"{api}: {len(made)} verified uses"))
            contexts += made
        done += len(group)
        left_s = (time.monotonic() - started) / done * (len(changes) - done)
        emit(Progress(done, len(changes), "APIs", left_s))
    return contexts


async def _anchors(
    builder: ContextBuilder, changes: Sequence[ApiChange], learned: Sequence[ApiContext]
) -> list[ApiContext]:
    """Rows on which nothing should change, by the number of learned contexts.

    Documented calls of the same releases, a quarter of them uses in which a name that is gone elsewhere is still right.
    """
    without = frozenset(word for c in changes for word in (*c.words, c.old, c.new))
    counts = Counter((each.library, each.version) for each in learned)
    found: list[ApiContext] = []
    for (library, version), count in counts.items():
        most = math.ceil(_ANCHORS * count)
        alike = await builder.look_alikes(
            library, version, changes, most=math.ceil(_LOOK_ALIKES * most)
        )
        others = await builder.anchors(library, version, without=without, most=most - len(alike))
        found += [*alike, *others]
    return found


def _counted(lacking: Collection[object]) -> str:
    one = len(lacking) == 1
    return "1 API that is not there" if one else f"{len(lacking)} APIs that are not there"


def _experiences(explained: Sequence[Explained]) -> Mapping[str, Sequence[str]]:
    """Ids of the steps behind each API; a survey's questions have none."""
    return {
        each.change.api: list(
            dict.fromkeys(id_ for failure in each.failures for id_ in failure.experiences)
        )
        for each in explained
    }
