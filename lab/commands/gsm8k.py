"""`elagent eval gsm8k`: grade-school problems with a chain of thought."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from lab.benchmarks.gsm8k import load_word_problems, prompt_digest, word_tasks
from lab.commands.options import (
    JSON,
    LIMIT,
    SAMPLES,
    SEED,
    TEMPERATURE,
    ModelChoice,
    asks_a_model,
    computes_on_nodes,
    data_file,
    max_tokens,
)
from lab.commands.progress import progress
from lab.commands.report import show
from lab.report import Meter
from lab.rows.work import About, ReplyWork
from learning.evaluation.run import keys_of
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
@computes_on_nodes
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
    problems = load_word_problems(data)[:limit]
    work = ReplyWork(
        about=About(
            suite="gsm8k",
            prompt="chain of thought",
            prompt_sha256=prompt_digest(),
            data_sha256=sha256_file(data),
            sampling=Sampling(temperature=temperature, seed=seed, max_tokens=max_tokens),
        ),
        model=choice.asked,
        tasks=partial(word_tasks, problems),
    )
    ids = [problem.task_id for problem in problems]
    with Meter() as meter:
        asked = choice.complete(meter, work, keys_of(ids, samples), on_row=progress())
        file = run_async(asked)
    made = [sample for sample in file.read().values() if sample.task_id in set(ids)]
    show(file, made, of_tasks=len(problems), as_json=as_json)
    return 0
