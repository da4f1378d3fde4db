"""Evaluates one system on the tasks of a repository's commits, and makes experience from older ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Literal, Protocol

from agent.events import Notice, Progress, StageStarted
from agent.fixing.attempts import Asked
from agent.fixing.fix import StepRecorder
from agent.fixing.judging import note_after
from agent.mining.rollout import RepositoryRollout, roll_out
from agent.mining.split import held_out, older_part
from agent.mining.tasks import RepositoryTask, TaskFile
from agent.mining.trees import CommitTree, CommitTrees
from agent.model.protocol import Model
from agent.rounds.trial.bench import Bench
from agent.streaming import Emit
from learning.evaluation.samples import Sample, SampleFile
from learning.experience.store import ExperienceStore
from learning.promotion.adapters import AdapterStore
from learning.promotion.lineage import made_from
from learning.records import Experience, Trust, Verdict


class MeasuredRepository(Protocol):
    """A repository that is measured; `agent.rounds.trial.opening.Trials` is the real one."""

    @property
    def store(self) -> ExperienceStore: ...

    @property
    def adapters(self) -> AdapterStore: ...

    @property
    def in_use(self) -> str | None: ...

    def bench(self, emit: Emit) -> AbstractAsyncContextManager[tuple[Bench, CommitTrees]]: ...

    async def find(self, trees: CommitTrees, emit: Emit, *, budget_s: float) -> TaskFile: ...


Part = Literal["all", "older", "held-out"]
TRIES = 3
"""Replies to each task of the older part, when experience is made of it."""


def part_of(known: TaskFile, part: Part, learned: Sequence[Experience]) -> Sequence[RepositoryTask]:
    """The tasks of a part, the oldest first; what a system learned about is not held out."""
    match part:
        case "all":
            return known.in_time
        case "older":
            return older_part(known)
        case "held-out":
            return held_out(known, learned)


async def replay(
    place: MeasuredRepository,
    *,
    emit: Emit,
    part: Part = "held-out",
    adapter: str | None = None,
    limit: int | None = None,
    budget_s: float,
    on_sample: Callable[[Sample, int, int], None] = lambda _sample, _done, _total: None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[SampleFile, Sequence[Sample]]:
    """Get a system's answers to the tasks of a part; answers that are there are not asked again.

    Raises:
        AgentError, LearningError, SandboxError: If something is missing or gives no answer.
    """
    async with place.bench(emit) as (bench, trees):
        known = await place.find(trees, emit, budget_s=budget_s)
        end = clock() + budget_s
        tasks = part_of(known, part, learned_by(place, adapter))[:limit]
        emit(StageStarted(f"{len(tasks)} tasks of the commits"))
        samples: list[Sample] = []
        for task in tasks:
            if clock() > end:
                emit(Notice("the time is used up; the same command goes on", "warning"))
                break
            samples.append(await bench.try_task(adapter, task))
            on_sample(samples[-1], len(samples), len(tasks))
        return bench.file("repo", adapter), samples


async def gather(
    place: MeasuredRepository,
    recorder: StepRecorder,
    *,
    emit: Emit,
    limit: int | None = None,
    budget_s: float,
    tries: int = TRIES,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Make experience of the older part, as a session would: retries, each judged and recorded.

    Returns how many of its tasks were solved.

    Raises:
        AgentError, LearningError, SandboxError: If something is missing or gives no answer.
    """
    solved = 0
    async with place.bench(emit) as (bench, trees):
        known = await place.find(trees, emit, budget_s=budget_s)
        end = clock() + budget_s
        tasks = older_part(known)[:limit]
        emit(StageStarted(f"working on {len(tasks)} older tasks"))
        for number, task in enumerate(tasks, 1):
            if clock() > end:
                emit(Notice("the time for experience is used up", "warning"))
                break
            model = await bench.model(place.in_use)
            tree = await bench.tree(task)
            solved += await attempts(task, tree, model, tries=tries, on_draft=recorder.record)
            emit(Progress(number, len(tasks), "tasks"))
    return solved


async def attempts(
    task: RepositoryTask,
    tree: CommitTree,
    model: Model,
    *,
    tries: int = TRIES,
    on_draft: Callable[[Experience], object],
) -> bool:
    """Let a model try a task as a session would, each reply judged, until one passes; True if one did.

    `on_draft` gets every reply as an experience to be stored.

    Raises:
        AgentError, SandboxError: If there is no answer.
    """
    note = ""
    for number in range(tries):
        made = await roll_out(
            task,
            tree=tree,
            model=model,
            note=note,
            temperature=0.6 if number else 0.0,
            seed=number,
        )
        if made.asked is not None:
            on_draft(_draft(task, made, made.asked))
        if made.sample.passed:
            return True
        if made.judgement is not None:
            note = note_after(made.judgement, task.failing[0].id)
        else:
            note = f"An earlier reply was not used. {made.sample.message}"
    return False


def _draft(task: RepositoryTask, made: RepositoryRollout, asked: Asked) -> Experience:
    judgement = made.judgement
    verdict = judgement.verdict if judgement is not None else Verdict.UNKNOWN
    if verdict is Verdict.PASS and not made.sample.passed:
        verdict = Verdict.FAIL  # some of its tests are red still
    return replace(
        Experience.draft(asked.messages, asked.action, verdict),
        evidence=made.evidence,
        targets=task.red_ids,
        path=task.path if made.after else "",
        before=task.broken if made.after else "",
        after=made.after,
        trust=judgement.trust if judgement is not None else Trust.PLAIN,
    )


def learned_by(place: MeasuredRepository, adapter: str | None) -> Sequence[Experience]:
    """The experiences that an adapter was made from; none for the bare model."""
    if adapter is None:
        return ()
    found = (place.store.get(id_) for id_ in made_from(place.adapters, adapter))
    return [each for each in found if each is not None]
