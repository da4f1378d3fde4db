"""`elagent eval mmlu`: the shift in an answer's probability that feedback in the prompt makes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click
from rich.table import Table

from lab.benchmarks.mmlu import Shift, ShiftWork, load_questions, prompts_digest, shift_file, table
from lab.commands.options import (
    ADAPTER,
    CLUSTER,
    JSON,
    MODEL,
    OUT,
    SEED,
    WORKERS,
    ModelChoice,
    data_file,
    on_nodes,
    result_folder,
)
from lab.commands.progress import counter, say
from lab.commands.report import spent_words
from lab.report import Cost, Meter, total_cost
from lab.rows.work import About
from lab.training.suites import drawn
from learning.evaluation.run import complete
from learning.evaluation.statistics import Bootstrap
from learning.extra import need
from learning.model.catalog import sha256_file
from learning.records import Sampling
from tui.running import run_async
from tui.show.plain import make_console
from tui.wiring import context

QUESTIONS = "JSON lines with subject, question, choices and answer, gzipped or not"
NO_QUESTIONS = f"MMLU does not come with elagent; its file is {QUESTIONS}"
_PUBLISHED = (
    "the founding article reports, after learning: 10.8 -> 50.4 (answer), 35.2 (explanation and"
    " answer), 45.3 (explanation without the letter); the wrong letter 33.2 -> 73.4"
)


@click.command(help="Measure how feedback shifts the probabilities of wrong answers (MMLU).")
@data_file(f"{QUESTIONS}.", missing=NO_QUESTIONS)
@MODEL
@ADAPTER
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@SEED
@click.option("--all", "every", is_flag=True, help="Also questions that are answered rightly.")
@CLUSTER
@WORKERS
@OUT
@JSON
def mmlu(
    *,
    data: Path,
    model: str | None,
    adapter: str | None,
    limit: int,
    seed: int,
    every: bool,
    cluster: str | None,
    workers: int | None,
    out: Path | None,
    as_json: bool,
) -> int:
    if cluster is None:
        need("Scoring all choices at once")
    own = context(None, {"model.name": model, "model.engine": "torch"})
    local = replace(own.settings, model=replace(own.settings.model, base_url=None))
    choice = on_nodes(
        ModelChoice(where=own.with_settings(local), adapter=adapter, out=out), cluster, workers
    )
    questions = drawn(load_questions(data), limit, seed)
    work = ShiftWork(
        about=About(
            suite="mmlu",
            prompt="all" if every else "wrong",
            prompt_sha256=prompts_digest(),
            data_sha256=sha256_file(data),
            sampling=Sampling(seed=seed, max_tokens=1),
        ),
        model=choice.asked,
        questions=questions,
        only_wrong=not every,
    )
    with Meter() as meter:
        folder, found = run_async(_measured(choice, work, meter))
    shifts = [shift for shift in found.values() if shift is not None]
    _show(shifts, total_cost(folder), asked=len(questions), seed=seed, as_json=as_json)
    say(f"results: {folder}")
    return 0


async def _measured(
    choice: ModelChoice, work: ShiftWork, meter: Meter
) -> tuple[Path, Mapping[str, Shift | None]]:
    """The folder of the results, and a row for each question."""
    async with choice.opened(work) as opened:
        meter.folder = folder = result_folder(choice.where, opened.manifest, choice.out)
        file = shift_file(folder, opened.manifest)
        ids = [question.id for question in work.questions]
        told = counter("questions")
        return folder, await complete(file, ids, opened.make, at_once=opened.at_once, on_row=told)


def _show(
    shifts: Sequence[Shift], cost: Cost | None, *, asked: int, seed: int, as_json: bool
) -> None:
    rows = table(shifts, seed=seed) if shifts else ()
    if as_json:
        spent = asdict(cost) if cost else None
        record = {"v": 1, "asked": asked, "questions": len(shifts), "cost": spent}
        click.echo(json.dumps({**record, "rows": [asdict(row) for row in rows]}))
        return
    shown = Table(box=None, pad_edge=False)
    for column in ("feedback", "letter", "mean p", "95 %", "of A to D", "95 %"):
        shown.add_column(column)
    for row in rows:
        cells = [cell for found in (row.probability, row.share) for cell in _mean_cells(found)]
        shown.add_row(row.variant, row.letter, *cells)
    console = make_console()
    console.print(shown)
    parts = (f"{len(shifts)} of {asked} questions", spent_words(cost))
    console.print(f"{', '.join(filter(None, parts))}; {_PUBLISHED}", highlight=False)


def _mean_cells(found: Bootstrap) -> tuple[str, str]:
    interval = f"{100 * found.interval.low:.1f} - {100 * found.interval.high:.1f}"
    return f"{100 * found.mean:.1f} %", interval
