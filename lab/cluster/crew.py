"""Workers that make rows together: which may take part, who makes what, and what becomes of lost ones.

Each worker makes one row at a time, so as many are in the making as there are workers. Only the row of the
worker that answered counts: a row is given to another worker only after the first is given up for good.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol

from agent.rounds.trial.program_judge import EvaluationError
from lab.rows.work import Opened, Work
from learning.evaluation.rows import Key, Row
from learning.evaluation.samples import ResultManifest, difference

_MOST_LOST = 3
"""Workers that may be lost at one row: it may be the row that ends them."""


class ClusterError(EvaluationError):
    """A cluster cannot make the rows; the message says why and what to do."""


class WorkerLostError(ClusterError):
    """A worker will make no more rows; what it was making can be made by another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Conditions on a worker's machine that its rows depend on."""

    manifest: ResultManifest
    recipe: str
    """See `Opened.recipe`."""

    @property
    def comparable(self) -> ResultManifest:
        """The settings that must be equal of two workers: images count by what they were made of."""
        return replace(self.manifest, image_id=self.recipe)


class Worker(Protocol[Key, Row]):
    """A process on a machine of the cluster."""

    @property
    def name(self) -> str:
        """The worker and its machine, in words."""
        ...

    async def open(self, work: Work[Key, Row]) -> Report:
        """Open the work there.

        Raises:
            ClusterError: If the machine cannot do it; says why.
        """
        ...

    async def make(self, key: Key) -> Row:
        """Make one row.

        Raises:
            WorkerLostError: If another worker must make it.
            EvaluationError: If it cannot be made anywhere.
        """
        ...


class Crew(Generic[Key, Row]):
    """Gives each row to a worker that is free."""

    def __init__(self, workers: Sequence[Worker[Key, Row]], say: Callable[[str], None]) -> None:
        self._say = say
        self._left = len(workers)
        self._made = 0
        self._free: asyncio.Queue[Worker[Key, Row]] = asyncio.Queue()
        for worker in workers:
            self._free.put_nowait(worker)

    async def make(self, key: Key) -> Row:
        """Have one row made, by another worker if the first is lost.

        Raises:
            ClusterError: If no worker is left, or too many were lost at this row.
            EvaluationError: If it cannot be made anywhere.
        """
        lost: list[str] = []
        while len(lost) < _MOST_LOST:
            if not self._left:
                raise ClusterError(
                    f"no worker of the cluster is left{_because(lost)}; the {self._made} rows that"
                    " they made are kept, and the same command goes on with the others"
                )
            worker = await self._free.get()
            try:
                row = await worker.make(key)
            except WorkerLostError as err:
                self._left -= 1
                lost.append(f"{worker.name}: {err}")
                self._say(f"{worker.name} is lost ({err}); {self._left} left, its row is made anew")
            else:
                self._made += 1
                self._free.put_nowait(worker)
                return row
        raise ClusterError(
            f"{len(lost)} workers in a row were lost while they made {key}{_because(lost)}; the"
            f" {self._made} rows that were made are kept, and the same command goes on"
        )


async def muster(
    workers: Sequence[Worker[Key, Row]],
    work: Work[Key, Row],
    *,
    wanted: ResultManifest | None = None,
    say: Callable[[str], None],
) -> Opened[Key, Row]:
    """Open the work at every worker and leave those out whose rows would not be the same.

    Right is what `wanted` says, which are results to go on with; else what most workers have, and of two
    that are as many the one of the earlier worker.

    Raises:
        ClusterError: If no worker is left.
    """
    answers = await asyncio.gather(*(_report(worker, work) for worker in workers))
    reports: dict[str, Report] = {}
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for worker, answer in zip(workers, answers, strict=True):
        if isinstance(answer, Report):
            reports[worker.name] = answer
        else:
            reasons[str(answer)].append(worker.name)
    right = _right(list(reports.values()), wanted)
    for name, report in reports.items():
        if right is not None and not _agree(report, right):
            told = difference(right.manifest, report.manifest, ("elsewhere", "there"))
            reasons[f"its rows would not be the same ({told})"].append(name)
    refused = {name for names in reasons.values() for name in names}
    able = [worker for worker in workers if worker.name not in refused]
    sentences = [f"{', '.join(names)} left out: {reason}" for reason, names in reasons.items()]
    if right is None or not able:
        told = "; ".join(sentences) or "it has no node with a processor for us"
        raise ClusterError(f"no machine of the cluster can make these rows: {told}")
    for sentence in sentences:
        say(sentence)
    say(f"{len(able)} of {len(workers)} workers take part: {', '.join(w.name for w in able)}")
    crew = Crew(able, say)
    return Opened(manifest=right.manifest, make=crew.make, recipe=right.recipe, at_once=len(able))


async def _report(worker: Worker[Key, Row], work: Work[Key, Row]) -> Report | ClusterError:
    try:
        return await worker.open(work)
    except ClusterError as err:
        return err


def _right(reports: Sequence[Report], wanted: ResultManifest | None) -> Report | None:
    """The report with which all must agree."""
    if wanted is not None:
        same_image = (each.recipe for each in reports if each.manifest.image_id == wanted.image_id)
        return Report(manifest=wanted, recipe=next(same_image, wanted.image_id))
    counted = Counter(each.comparable.digest for each in reports)
    if not counted:
        return None
    [(digest, _)] = counted.most_common(1)
    return next(each for each in reports if each.comparable.digest == digest)


def _agree(report: Report, right: Report) -> bool:
    same = report.comparable.digest == right.comparable.digest
    return same or report.manifest.digest == right.manifest.digest


def _because(lost: Sequence[str]) -> str:
    return f" ({'; '.join(lost)})" if lost else ""
