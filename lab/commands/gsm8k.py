"""`elagent eval gsm8k`: grade-school problems with a chain of thought."""

from __future__ import annotations

from pathlib import Path

import click

from lab.commands.options import (
    JSON,
    LIMIT,
    SAMPLES,
    SEED,
    TEMPERATURE,
    ModelChoice,
    asks_a_model,
    data_file,
    max_tokens,
)
from lab.commands.progress import progress
from lab.commands.report import show
from lab.gsm8k import load_word_problems, prompt_digest, word_tasks
from lab.report import Meter
from learning.evaluation.run import answer_all
from learning.evaluation.samples import SampleFile
from learning.model.catalog import sha256_file
from learning.records import Sampling
from tui.running import run_async

WORD_PROBLEMS = "JSON lines with question and answer, gzipped or not"
NO_WORD_PROBLEMS = f"GSM8K does not come with elagent; its files are {WORD_PROBLEMS}"


@click.command(
    help="Measure word problems with a chain of thought (GSM8K); the last number counts."
)
@data_file(f"{WORD_PROBLEMS}.", missing=NO_WORD_PROBLEMS)
@asks_a_model
@SAMPLES
@TEMPERATURE
@max_tokens(256)
@SEED
@LIMIT
@JSON
def gsm8k(
    *,
    data: Path,
    choice: ModelChoice,
    samples: int,
    temperature: float,
    max_tokens: int,
    seed: int,
    limit: int | None,
    as_json: bool,
) -> int:
    tasks = word_tasks(load_word_problems(data)[:limit])

    async def run(meter: Meter) -> SampleFile:
        about = choice.results(
            meter,
            suite="gsm8k",
            prompt="chain of thought",
            prompt_sha256=prompt_digest(),
            data_sha256=sha256_file(data),
            sampling=Sampling(temperature=temperature, seed=seed, max_tokens=max_tokens),
        )
        async with about as (subject, file):
            await answer_all(tasks, subject.generator, file, samples=samples, on_row=progress())
            return file

    with Meter() as meter:
        file = run_async(run(meter))
    ids = {task.id for task in tasks}
    made = [sample for sample in file.read().values() if sample.task_id in ids]
    show(file, made, of_tasks=len(tasks), as_json=as_json)
    return 0
