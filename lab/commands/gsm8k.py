"""`elagent eval gsm8k`: grade-school problems with a chain of thought."""

from __future__ import annotations

import os
from pathlib import Path

import click

from agent.rounds.trial.models import open_subject
from lab.commands.shared import (
    adapter_folder,
    launcher,
    progress,
    result_file,
    say,
    show,
    versions,
)
from lab.costs import Meter
from lab.gsm8k import load_word_problems, prompt_digest, word_tasks
from learning.evaluation.run import answer_all
from learning.evaluation.samples import Manifest, SampleFile
from learning.model.catalog import sha256_file
from learning.records import Sampling
from tui.running import run_async
from tui.wiring import context


@click.command(help="GSM8K: word problems with a chain of thought; the last number counts.")
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="JSON lines with question and answer, gzipped or not.",
)
@click.option("--model", metavar="NAME", help="Model name, folder or GGUF file.")
@click.option("--base-url", metavar="URL", help="Use this OpenAI-compatible server instead.")
@click.option("--engine", type=click.Choice(["auto", "llama", "torch"]))
@click.option("--adapter", metavar="NAME", help="An adapter of this repository, or its folder.")
@click.option("-n", "--samples", type=click.IntRange(1, 1000), default=1, help="Per problem. [1]")
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.0, show_default=True)
@click.option("--max-tokens", type=click.IntRange(16), default=256, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N problems.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def gsm8k(
    *,
    data: Path,
    model: str | None,
    base_url: str | None,
    engine: str | None,
    adapter: str | None,
    samples: int,
    temperature: float,
    max_tokens: int,
    seed: int,
    limit: int | None,
    out: Path | None,
    as_json: bool,
) -> int:
    where = context(None, {"model.name": model, "model.base_url": base_url, "model.engine": engine})
    problems = load_word_problems(data)[:limit]

    async def run(meter: Meter) -> SampleFile:
        async with open_subject(
            where.settings.model,
            paths=where.paths,
            launcher=launcher(),
            environ=os.environ,
            adapter=adapter_folder(where, adapter),
            say=say,
        ) as subject:
            manifest = Manifest(
                suite="gsm8k",
                model=subject.name,
                weights_sha256=subject.weights_sha256,
                adapter=subject.adapter,
                prompt="chain of thought",
                prompt_sha256=prompt_digest(),
                data_sha256=sha256_file(data),
                sampling=Sampling(temperature=temperature, seed=seed, max_tokens=max_tokens),
                image_id="",
                versions={**versions(), **subject.versions},
            )
            file = result_file(where.paths, manifest, out)
            meter.folder = file.folder
            await answer_all(
                *(word_tasks(problems), subject.generator, file),
                samples=samples,
                on_row=progress(),
            )
            return file

    with Meter() as meter:
        file = run_async(run(meter))
    ids = {problem.task_id for problem in problems}
    made = [sample for sample in file.read().values() if sample.task_id in ids]
    show(file, made, of_tasks=len(problems), as_json=as_json)
    return 0
