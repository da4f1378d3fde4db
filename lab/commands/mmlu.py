"""`elagent eval mmlu`: the shift in an answer's probability that feedback in the prompt makes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
from rich.table import Table

from lab.commands.options import (
    ADAPTER,
    JSON,
    MODEL,
    OUT,
    SEED,
    adapter_folder,
    data_file,
    our_versions,
    result_folder,
)
from lab.commands.progress import counter, say
from lab.commands.report import spent_words
from lab.mmlu import (
    Shift,
    ask_all,
    load_questions,
    measure,
    prompts_digest,
    shift_file,
    table,
)
from lab.report import Cost, Meter, total_cost
from lab.suites import drawn
from learning.evaluation.local import LocalModel
from learning.evaluation.samples import ResultManifest
from learning.evaluation.statistics import Bootstrap
from learning.extra import need
from learning.model.catalog import sha256_file
from learning.model.resolve import resolve
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
    out: Path | None,
    as_json: bool,
) -> int:
    need("Scoring all choices at once")
    where = context(None, {"model.name": model, "model.engine": "torch"})
    questions = drawn(load_questions(data), limit, seed)
    installed = resolve(where.settings.model.name, where.paths.models)
    chosen = adapter_folder(where, adapter)
    say(f"loading {installed.name}")
    with Meter() as meter, LocalModel(installed, engine="torch", adapter=chosen) as local:
        manifest = ResultManifest(
            suite="mmlu",
            model=installed.name,
            weights_sha256=installed.identity.weights_sha256,
            adapter=chosen[0] if chosen else None,
            prompt="all" if every else "wrong",
            prompt_sha256=prompts_digest(),
            data_sha256=sha256_file(data),
            sampling=Sampling(seed=seed, max_tokens=1),
            image_id="",
            versions={**our_versions(), **local.versions},
        )
        meter.folder = folder = result_folder(where, manifest, out)
        ask = partial(measure, score=local.score, only_wrong=not every)
        file = shift_file(folder, manifest)
        found = run_async(ask_all(questions, ask, file, on_row=counter("questions")))
    shifts = [shift for shift in found.values() if shift is not None]
    _show(shifts, total_cost(folder), asked=len(questions), seed=seed, as_json=as_json)
    say(f"results: {folder}")
    return 0


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
