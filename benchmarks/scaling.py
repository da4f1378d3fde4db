"""Seconds that a row costs on this machine alone, and on one and two workers of a local Ray cluster.

Run: `.venv/bin/python -P -m benchmarks.scaling [--rows N] [--wait SECONDS] [--judged N]`. Two kinds of rows:
ones that only wait, as for a reply, so that what is left is the cost of handing them out; and HumanEval's
known solutions, really judged in the sandbox, for which two workers share one machine. The start of the
workers is told apart. Prints one line per run and, last, all of them as one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.paths import from_environ
from agent.rounds.trial.regression import check_task
from agent.settings.schema import SandboxSettings
from lab.cluster.ray_cluster import LOCAL, Cluster, opened_on
from lab.rows.evaluated_model import our_versions
from lab.rows.place import Place
from lab.rows.work import Opened, Work, recipe_of
from learning.evaluation.humaneval import Problem, fetch_problems
from learning.evaluation.rows import RowFile
from learning.evaluation.run import complete
from learning.evaluation.samples import ResultManifest
from learning.records import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingWork:
    """Rows that only wait."""

    wait_s: float

    @asynccontextmanager
    async def open(self, place: Place) -> AsyncIterator[Opened[str, float]]:
        """See `Work.open`."""

        async def make(_key: str) -> float:
            await asyncio.sleep(self.wait_s)
            return self.wait_s

        yield Opened(manifest=_manifest("waiting"), make=make)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedWork:
    """Known solutions, judged in a box; a row is the seconds that it ran."""

    problems: Sequence[Problem]

    @asynccontextmanager
    async def open(self, place: Place) -> AsyncIterator[Opened[str, float]]:
        """See `Work.open`."""
        by_id = {problem.task_id: problem for problem in self.problems}
        image = await asyncio.to_thread(place.base_image, SandboxSettings())
        async with place.judging(image.id) as judge:

            async def make(key: str) -> float:
                problem = by_id[key]
                result = await judge.judge(check_task(problem, problem.canonical_solution))
                if not result.passed:
                    raise SystemExit(f"the known solution of {key} is judged {result.status}")
                return result.duration_s

            manifest = _manifest("judged", image.id)
            yield Opened(manifest=manifest, make=make, recipe=recipe_of(image))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of all rows."""

    kind: str
    workers: int
    """0 for this process alone."""
    rows: int
    start_s: float
    rows_s: float

    @property
    def row_s(self) -> float:
        """Wall time divided by the number of rows."""
        return self.rows_s / self.rows


async def measure(kind: str, work: Work[str, float], keys: Sequence[str], workers: int) -> Run:
    """Make every row once, without results of earlier runs."""
    cluster = Cluster(address=LOCAL, workers=workers)
    started = time.perf_counter()
    opening = opened_on(cluster, work, say=_heard) if workers else work.open(Place.here())
    with tempfile.TemporaryDirectory() as folder:
        file: RowFile[str, float] = RowFile(
            path=Path(folder, "rows.jsonl"),
            encode=lambda key, row: {"key": key, "row": row},
            decode=lambda record: (str(record["key"]), float(record["row"])),
        )
        async with opening as opened:
            begun = time.perf_counter()
            await complete(file, keys, opened.make, at_once=opened.at_once)
            ended = time.perf_counter()
    return Run(
        kind=kind, workers=workers, rows=len(keys), start_s=begun - started, rows_s=ended - begun
    )


def _heard(text: str) -> None:
    print(text, file=sys.stderr)


def _manifest(kind: str, image_id: str = "") -> ResultManifest:
    return ResultManifest(
        suite=f"scaling-{kind}",
        model="none",
        weights_sha256="",
        adapter=None,
        prompt="",
        prompt_sha256="",
        data_sha256="",
        sampling=Sampling(),
        image_id=image_id,
        versions=our_versions(),
    )


def _told(run: Run, alone: Run) -> str:
    where = f"{run.workers} workers" if run.workers else "alone"
    return (
        f"{run.kind}, {where}: {run.rows} rows in {run.rows_s:.2f} s ({1000 * run.row_s:.1f} ms a row,"
        f" {alone.rows_s / run.rows_s:.2f} x), after {run.start_s:.1f} s of start"
    )


def main() -> None:
    """Measure each kind of rows on each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60, help="rows that only wait")
    parser.add_argument("--wait", type=float, default=0.2, help="seconds of each")
    parser.add_argument("--judged", type=int, default=40, help="known solutions to judge; 0: none")
    given = parser.parse_args()
    kinds: dict[str, tuple[Work[str, float], list[str]]] = {
        "waiting": (WaitingWork(wait_s=given.wait), [str(n) for n in range(given.rows)])
    }
    if given.judged:
        home = from_environ(os.environ).home
        problems = fetch_problems(home / "datasets", environ=os.environ)[: given.judged]
        kinds["judged"] = JudgedWork(problems=problems), [each.task_id for each in problems]
    runs: list[Run] = []
    for kind, (work, keys) in kinds.items():
        of_kind = [asyncio.run(measure(kind, work, keys, workers)) for workers in (0, 1, 2)]
        for run in of_kind:
            print(_told(run, of_kind[0]))
        runs += of_kind
    print(json.dumps([asdict(run) for run in runs]))


if __name__ == "__main__":
    main()
