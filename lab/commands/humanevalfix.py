"""`elagent eval humanevalfix`: functions with a human-made fault, by one reply or by the repair loop."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import click

from agent.fixing.options import FixOptions
from lab.benchmarks.humanevalfix import (
    PUBLISHED,
    BrokenFunction,
    RepairFigures,
    RepairWork,
    figures_of,
    load_broken,
    prompts_digest,
    reply_tasks,
)
from lab.commands.options import (
    JSON,
    SEED,
    ModelChoice,
    asks_a_model,
    computes_on_nodes,
    data_file,
    max_tokens,
)
from lab.commands.progress import progress
from lab.commands.report import cost_words, scores_record, title
from lab.report import Meter, summarise, total_cost
from lab.rows.work import About, ReplyWork
from lab.training.suites import shuffled
from learning.evaluation.run import keys_of
from learning.evaluation.samples import Sample, SampleFile, SampleKey
from learning.model.catalog import sha256_file
from learning.records import Sampling
from tui.running import run_async

Arm = Literal["reply", "loop"]
_FIELDS = "JSON lines with declaration, buggy_solution, test and others, gzipped or not"
_NO_FUNCTIONS = f"HumanEvalFix does not come with elagent; OctoPack's file is {_FIELDS}"
_SEARCHED = 2 / 3
"""Share of the budget in which small changes are tried for one test; the rest is for whole files."""
_PERCENT = 100.0


@click.command(
    help="Measure repairs of one human-made fault (HumanEvalFix), by one reply or by the loop."
)
@data_file(f"{_FIELDS}.", missing=_NO_FUNCTIONS)
@click.option("--arm", type=click.Choice(get_args(Arm)), default="loop", show_default=True)
@click.option(
    "--budget",
    "budget_s",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Limit of the loop for each function.",
)
@click.option(
    "--docstring",
    "documented",
    is_flag=True,
    help="Show the docstring as well: then no published figure stands beside it.",
)
@asks_a_model
@computes_on_nodes
@max_tokens(768)
@SEED
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Only N functions, drawn by the seed."
)
@JSON
def humanevalfix(
    *,
    data: Path,
    arm: Arm,
    budget_s: float,
    documented: bool,
    choice: ModelChoice,
    max_tokens: int,
    seed: int,
    limit: int | None,
    as_json: bool,
) -> int:
    every = {broken.id: broken for broken in load_broken(data, documented=documented)}
    drawn = [every[id_] for id_ in shuffled(list(every), seed)[:limit]]
    run = _FixRun(
        choice=choice,
        functions=drawn,
        data_sha256=sha256_file(data),
        documented=documented,
        budget_s=budget_s,
        sampling=Sampling(temperature=0.0, seed=seed, max_tokens=max_tokens),
    )
    with Meter() as meter:
        file = run_async(run.replies(meter) if arm == "reply" else run.repairs(meter))
    ids = {broken.id for broken in drawn}
    samples = [sample for sample in file.read().values() if sample.task_id in ids]
    found = figures_of(samples, {broken.id: broken.bug_type for broken in drawn})
    published = {} if documented else PUBLISHED
    if as_json:
        click.echo(json.dumps(_record(file, samples, found, published)))
        return 0
    for line in _table(file, samples, found, published, of_tasks=len(every)):
        click.echo(line)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _FixRun:
    """One run of the command: the functions, and on what their results depend."""

    choice: ModelChoice
    functions: Sequence[BrokenFunction]
    data_sha256: str
    documented: bool
    budget_s: float
    sampling: Sampling

    async def replies(self, meter: Meter) -> SampleFile:
        """Ask the model once about each function that is missing."""
        work = ReplyWork(
            about=self._about("reply", loop=False),
            model=self.choice.asked,
            tasks=partial(reply_tasks, self.functions),
            sandbox=self.choice.where.settings.sandbox,
        )
        return await self.choice.complete(meter, work, self._keys, on_row=progress())

    async def repairs(self, meter: Meter) -> SampleFile:
        """Have the loop repair each function that is missing."""
        settings = self.choice.where.settings
        options = FixOptions(
            max_attempts=settings.fix.max_attempts,
            search_s=min(settings.fix.search_s, _SEARCHED * self.budget_s),
            seed=self.sampling.seed,
        )
        loop = (
            f"{options.max_attempts} attempts, search {options.search_s:g} s, whole files"
            f" {options.rewrite_s:g} s, a test {settings.sandbox.test_s:g} s"
        )
        about = self._about(f"loop-{self.budget_s:g}s", loop=True)
        work = RepairWork(
            about=replace(about, versions={"loop": loop}),
            model=self.choice.asked,
            functions=self.functions,
            sandbox=settings.sandbox,
            options=options,
            budget_s=self.budget_s,
        )
        told = progress(_loop_words)
        return await self.choice.complete(meter, work, self._keys, on_row=told)

    def _about(self, arm: str, *, loop: bool) -> About:
        return About(
            suite="humanevalfix",
            arm=arm,
            prompt="tests and docstring" if self.documented else "tests",
            prompt_sha256=prompts_digest(loop=loop),
            data_sha256=self.data_sha256,
            sampling=self.sampling,
        )

    @property
    def _keys(self) -> list[SampleKey]:
        return keys_of(broken.id for broken in self.functions)


def _loop_words(sample: Sample) -> str:
    made = f" by {sample.origin}" if sample.passed and sample.origin else f" ({sample.finish})"
    return f"{made} in {sample.loop_s:.0f} s, {sample.completion_tokens} tokens"


def _table(
    file: SampleFile,
    samples: Sequence[Sample],
    found: RepairFigures,
    published: Mapping[str, float],
    *,
    of_tasks: int,
) -> list[str]:
    """The result in lines: the share with its interval, its cost, its parts, the published figures."""
    share = found.solved / found.tasks if found.tasks else 0.0
    low, high = (_PERCENT * end for end in (found.interval.low, found.interval.high))
    lines = [
        title(file.manifest),
        f"solved {found.solved} of {found.tasks}: {_PERCENT * share:.1f} %"
        f" (95 % {low:.1f} - {high:.1f}), of {of_tasks} functions",
        f"seconds a function: median {found.median_s:.1f}, most {found.most_s:.1f};"
        f" {found.tokens:.0f} tokens made, {found.changes:.0f} small changes tried",
    ]
    if found.origins:
        lines.append("solved by " + _counted(found.origins))
    kinds = (f"{name} {solved} of {count}" for name, (solved, count) in found.kinds.items())
    lines.append("by kind: " + ", ".join(kinds))
    if published:
        said = ", ".join(f"{name} {value:.1f}" for name, value in published.items())
        lines.append(f"published, one reply with the tests (arXiv 2308.07124): {said}")
    lines.append(cost_words(summarise(samples), total_cost(file.folder)))
    return [*lines, f"samples and results: {file.folder}"]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _record(
    file: SampleFile,
    samples: Sequence[Sample],
    found: RepairFigures,
    published: Mapping[str, float],
) -> dict[str, object]:
    """The same figures as one JSON object."""
    scores = scores_record(file.manifest, summarise(samples), total_cost(file.folder))
    figures = {"repair": asdict(found), "published": dict(published)}
    return {**scores, **figures, "folder": str(file.folder)}
