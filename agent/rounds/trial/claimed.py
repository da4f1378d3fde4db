"""The tasks on which an adapter's claim is tried, whatever they are about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from agent.fixing.context import estimate_tokens
from agent.mining.tasks import RepositoryTask
from agent.rounds.trial.bench import LIBRARY, REPOSITORY, Bench
from learning.evaluation.samples import Sample
from learning.evaluation.task import Task

_USE_TOKENS = 120
"""Guessed length of a reply that uses an API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedTasks:
    """Tasks of one suite, and how a system answers one of them."""

    suite: str
    """Name of the suite in stored results."""
    eligible: Sequence[str]
    """Ids of the tasks that may judge the adapter, oldest first."""
    known: frozenset[str]
    """Ids of all tasks that can be asked, those that an earlier plan named included."""
    ask: Callable[[str | None, str], Awaitable[Sample]]
    """The answer of a system to a task."""
    guess_s: Callable[[str], float]
    """Seconds that an answer may take, before any was timed."""

    def expected_s(self, bench: Bench, system: str | None, wanted: Sequence[str]) -> float:
        """Estimate of the seconds of a system's missing answers to some of the tasks."""
        known = bench.known(self.suite, system)
        timed = [sample.generation_s + sample.sandbox_s for sample in known.values()]
        missing = [id_ for id_ in wanted if id_ in self.known and id_ not in known]
        return sum(fmean(timed) if timed else self.guess_s(id_) for id_ in missing)


def repository_tasks(
    bench: Bench,
    tasks: Mapping[str, RepositoryTask],
    *,
    eligible: Sequence[RepositoryTask],
    tokens_per_s: float,
) -> ClaimedTasks:
    """Repairs of the repository's functions, judged by its tests; `tasks` are all known ones, by id."""

    def guess_s(id_: str) -> float:
        task = tasks[id_]
        return estimate_tokens(task.broken) / tokens_per_s + 2 * task.duration_s

    return ClaimedTasks(
        suite=REPOSITORY,
        eligible=[task.id for task in eligible],
        known=frozenset(tasks),
        ask=lambda system, id_: bench.try_task(system, tasks[id_]),
        guess_s=guess_s,
    )


def library_tasks(bench: Bench, tasks: Sequence[Task], *, tokens_per_s: float) -> ClaimedTasks:
    """Held-out uses of learned APIs, each judged by running its reply in the sandbox."""
    by_id = {task.id: task for task in tasks}
    return ClaimedTasks(
        suite=LIBRARY,
        eligible=tuple(by_id),
        known=frozenset(by_id),
        ask=lambda system, id_: bench.try_use(system, by_id[id_]),
        guess_s=lambda _: _USE_TOKENS / tokens_per_s,
    )
