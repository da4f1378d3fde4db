"""Shows the results of the article's experiments: in a terminal and as one HTML page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from lab.article.published import Published
from lab.article.results import (
    SHARE,
    ArmRow,
    ExperimentResult,
    Figure,
    load_experiment,
    save_experiment,
)
from lab.commands.report import cost_line
from tui.show.page import Span, heading, page, paragraph, spans, table
from tui.show.plain import make_console

TITLES = {
    "mmlu": "1. MMLU: probability of a letter, learned from feedback",
    "humaneval": "2. HumanEval: cross-validation over halves of the tasks",
    "gsm8k": "3. GSM8K: chain of thought, learned from explanations",
}
_HEAD = ("arm", "measured", "tasks", "before", "after", "gain", "relative", "the article", "note")
_SHORT_HEAD = ("arm", "measured", "n", "was", "is", "gain, 95 %", "article")
_CAUTION = (
    "Ours: mean with a 95 % bootstrap interval over tasks, paired where it is a gain. The article's:"
    " Llama-3.2-1B, as printed, without intervals and with a rule that it does not disclose. Rows"
    " with fewer tasks than there are, or with another model, are no replication."
)

_ABOUT_SHARE = (
    "share: of the probability of A, B, C and D together. A model that only learns to answer with a"
    " letter gains in p, for every letter, and not in share."
)


def finish(folder: Path, result: ExperimentResult, *, html: Path | None, as_json: bool) -> None:
    """Keep an result, print it, and write the page if it was asked for."""
    save_experiment(folder, result)
    show([result], html=html, as_json=as_json)
    click.echo(f"results: {folder}", err=True)


def show(results: Sequence[ExperimentResult], *, html: Path | None, as_json: bool) -> None:
    """Print results, and write them as one page if that was asked for."""
    if html is not None:
        html.write_text(html_report(results), encoding="utf-8")
        click.echo(f"report: {html}", err=True)
    if as_json:
        for result in results:
            click.echo(json.dumps(result_record(result)))
        return
    console = make_console()
    for result in results:
        print_result(console, result)


def results_in(folders: Sequence[Path]) -> list[ExperimentResult]:
    """The results of these folders, in the order of the article.

    Raises:
        SettingsError: If one holds none.
    """
    order = list(TITLES)
    return sorted(map(load_experiment, folders), key=lambda found: order.index(found.experiment))


def print_result(console: Console, result: ExperimentResult) -> None:
    """One experiment as a table."""
    console.print(f"{TITLES[result.experiment]} ({result.model})", style="bold", markup=False)
    shown = Table(box=None, pad_edge=False)
    for name in _SHORT_HEAD:
        shown.add_column(name, no_wrap=True)
    for row in result.rows:
        shown.add_row(*_short_cells(result, row))
    console.print(shown)
    if about := _about_measures(result):
        console.print(about, highlight=False)
    for row in result.rows:
        article = result.published(row).note
        if said := "; ".join(filter(None, (row.note, article and f"the article {article}"))):
            console.print(f"{row.arm}: {said}", markup=False, highlight=False)
    console.print(_cost_line(result), highlight=False)


def result_record(result: ExperimentResult) -> dict[str, object]:
    """The same as one JSON object."""
    return {
        "v": 1,
        "experiment": result.experiment,
        "model": result.model,
        "settings": dict(result.settings),
        "cost": dict(result.cost),
        "rows": [dict(zip(_HEAD, _cells(result, row), strict=True)) for row in result.rows],
    }


def html_report(results: Sequence[ExperimentResult]) -> str:
    """All results on one page, with plots."""
    parts = [paragraph(_CAUTION, soft=True)]
    for result in results:
        parts += [
            heading(TITLES[result.experiment]),
            paragraph(f"Model: {result.model}. {_cost_line(result)}."),
            table(_HEAD, (_cells(result, row) for row in result.rows)),
            paragraph(_about_measures(result), soft=True),
            spans(
                "After learning; hollow: the article",
                [
                    _span(row, row.after, result.published(row).after)
                    for row in result.rows
                    if row.after is not None
                ],
                unit="%",
            ),
            spans(
                "Gain; hollow: the article",
                [
                    _span(row, row.gain, _gain(result.published(row)))
                    for row in result.rows
                    if row.gain is not None
                ],
                unit="points",
                signed=True,
            ),
            table(("setting", "value"), ((k, str(v)) for k, v in result.settings.items())),
        ]
    return page("The founding article's experiments", *parts)


def _cells(result: ExperimentResult, row: ArmRow) -> tuple[str, ...]:
    return (
        row.arm,
        row.measure,
        f"{row.tasks} of {row.of_tasks}",
        _figure(row.before),
        _figure(row.after),
        _figure(row.gain, signed=True),
        "" if row.relative is None else f"{row.relative:+.0f} %",
        _published(result.published(row)),
        row.note,
    )


def _short_cells(result: ExperimentResult, row: ArmRow) -> tuple[str, ...]:
    """Word a figure for a terminal: an interval only if something is claimed."""
    article = replace(result.published(row), note="")
    return (
        row.arm,
        row.measure,
        str(row.tasks) if row.tasks == row.of_tasks else f"{row.tasks}/{row.of_tasks}",
        f"{row.before.value:.1f}" if row.before else "",
        f"{row.after.value:.1f}" if row.after else "",
        _figure(row.gain, signed=True).replace(" to ", ".."),
        _published(article).replace(" ", ""),
    )


def _span(row: ArmRow, figure: Figure, published: float | None) -> Span:
    return Span(
        label=_label(row),
        value=figure.value,
        low=figure.low,
        high=figure.high,
        published=published,
    )


def _about_measures(result: ExperimentResult) -> str:
    """Explanation of the measure `share`, which the article does not have; empty without such rows."""
    return _ABOUT_SHARE if any(row.measure.startswith(SHARE) for row in result.rows) else ""


def _label(row: ArmRow) -> str:
    """The arm, with the measure if the article does not have it."""
    if row.measure.startswith(SHARE):
        return f"{row.arm}, {row.measure}"
    return f"{row.arm}, others" if row.is_control else row.arm


def _gain(published: Published) -> float | None:
    if published.before is not None and published.after is not None:
        return published.after - published.before
    return published.gain


def _published(published: Published) -> str:
    if published.before is not None:
        return f"{published.before:g} -> {published.after:g}"
    figure = f"+{published.gain:g}" if published.gain is not None else ""
    return ", ".join(filter(None, (figure, published.note)))


def _figure(figure: Figure | None, *, signed: bool = False) -> str:
    if figure is None:
        return ""
    form = "+.1f" if signed else ".1f"
    return f"{figure.value:{form}} ({figure.low:{form}} to {figure.high:{form}})"


def _cost_line(result: ExperimentResult) -> str:
    return cost_line(result.cost)
