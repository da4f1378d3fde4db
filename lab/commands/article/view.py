"""Shows the results of the article's experiments: in a terminal, as JSON, and as one HTML page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from lab.article.budget import DONE, load_states, was_not_run
from lab.article.published import Experiment
from lab.article.results import (
    LETTER,
    RANK,
    SHARE,
    ArmRow,
    Curve,
    ExperimentResult,
    Figure,
    has_result,
    load_experiment,
    save_experiment,
)
from lab.article.summary import claims_of, standing_of
from lab.commands.article.claims import claim_record, claims_html, print_claims
from lab.commands.article.words import RECORD_HEAD, cells, published_words
from lab.commands.report import cost_line
from tui.show.page import Line, Span, heading, lines, page, paragraph, spans, table
from tui.show.plain import make_console

TITLES: dict[Experiment, str] = {
    "mmlu": "1. MMLU: probability of a letter, learned from feedback",
    "humaneval": "2. HumanEval: cross-validation over halves of the tasks",
    "gsm8k": "3. GSM8K: chain of thought, learned from explanations",
    "noise": "4. GSM8K: noisy explanations against the effective batch",
}
_SHORT_HEAD = ("arm", "measured", "n", "was", "is", "gain, 95 %", "article")
_CAUTION = (
    "Ours: mean with a 95 % bootstrap interval over tasks, paired where it is a gain. The article's:"
    " Llama-3.2-1B, as printed, without intervals and with a rule that it does not disclose. Rows"
    " with fewer tasks than there are, or with another model, are no replication."
)
_ABOUT_SHARE = (
    "share: of the probability of A, B, C and D together. A model that only learns to answer with a"
    " letter gains in p, for every letter, and not in share. rank: among the four, 1 is the likeliest."
)
_DRAWN = ("p(", SHARE)
"""Beginnings of the measures whose curves are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Results of experiments, and how those that were run together ended."""

    results: Sequence[ExperimentResult] = ()
    states: Mapping[Experiment, str] = field(default_factory=dict)


def finish(folder: Path, result: ExperimentResult, *, html: Path | None, as_json: bool) -> None:
    """Keep a result, print it, and write the page if it was asked for."""
    save_experiment(folder, result)
    if html is not None:
        _write(html, Kept(results=[result]))
    if as_json:
        click.echo(json.dumps(result_record(result)))
    else:
        print_result(make_console(), result)
    click.echo(f"results: {folder}", err=True)


def report_on(kept: Kept, *, html: Path | None, as_json: bool) -> None:
    """Print what of the article holds, then the results, and write them as one page."""
    if html is not None:
        _write(html, kept)
    claims = claims_of(kept.results, kept.states)
    if as_json:
        for result in kept.results:
            click.echo(json.dumps(result_record(result)))
        click.echo(json.dumps({"v": 1, "claims": [claim_record(claim) for claim in claims]}))
        return
    console = make_console()
    print_claims(console, claims)
    for line in _ends(kept):
        console.print(line, markup=False, highlight=False)
    for result in kept.results:
        console.print()
        print_result(console, result)


def kept_results(folders: Sequence[Path], *, named: bool) -> Kept:
    """The results in these folders or right below them, in the order of the article.

    Raises:
        SettingsError: If a folder that a person `named` holds none, or a result cannot be read.
    """
    results: list[ExperimentResult] = []
    states: dict[Experiment, str] = {}
    for folder in folders:
        below = [path for path in sorted(folder.glob("*/")) if has_result(path)]
        found = [folder] if has_result(folder) or (named and not below) else below
        ended = load_states(folder)
        results += standing_of(list(map(load_experiment, found)), ended)
        states.update(ended)
    for experiment in {result.experiment for result in results}:
        if was_not_run(states, experiment):
            del states[experiment]  # another folder has a result of it
    order = list(TITLES)
    results.sort(key=lambda result: order.index(result.experiment))
    return Kept(results=results, states=states)


def print_result(console: Console, result: ExperimentResult) -> None:
    """One experiment as a table."""
    console.print(f"{TITLES[result.experiment]} ({result.model})", style="bold", markup=False)
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in _SHORT_HEAD:
        shown.add_column(name, no_wrap=True)
    for row in result.rows:
        shown.add_row(*_short_cells(result, row))
    console.print(shown)
    if about := _about_measures(result):
        console.print(about, highlight=False)
    for line in dict.fromkeys(_notes(result)):
        console.print(line, markup=False, highlight=False)
    for what, words in result.found.items():
        console.print(f"{what}: {words}", markup=False, highlight=False)
    console.print(cost_line(result.cost), highlight=False)


def result_record(result: ExperimentResult) -> dict[str, object]:
    """The same as one JSON object."""
    return {
        "v": 1,
        "experiment": result.experiment,
        "model": result.model,
        "settings": dict(result.settings),
        "cost": dict(result.cost),
        "found": dict(result.found),
        "rows": [dict(zip(RECORD_HEAD, cells(result, row), strict=True)) for row in result.rows],
    }


def html_report(kept: Kept) -> str:
    """Write one page with plots: what of the article holds, and all results below it."""
    claims = claims_of(kept.results, kept.states)
    ends = "; ".join(_ends(kept))
    parts = [paragraph(_CAUTION, soft=True), *claims_html(claims), paragraph(ends)]
    for result in kept.results:
        parts += [
            heading(TITLES[result.experiment]),
            paragraph(f"Model: {result.model}. {cost_line(result.cost)}."),
            table(("found on the way", ""), result.found.items()) if result.found else "",
            *_curves(result),
            table(RECORD_HEAD, (cells(result, row) for row in result.rows)),
            paragraph(_about_measures(result), soft=True),
            spans(
                "After learning; hollow: the article",
                [
                    _span(row, row.after, result.published(row).after)
                    for row in result.rows
                    if row.after is not None and not row.measure.startswith(RANK)
                ],
                unit="%",
            ),
            table(("setting", "value"), ((k, str(v)) for k, v in result.settings.items())),
        ]
    return page("What of the article holds", *parts)


def _write(path: Path, kept: Kept) -> None:
    path.write_text(html_report(kept), encoding="utf-8")
    click.echo(f"report: {path}", err=True)


def _ends(kept: Kept) -> list[str]:
    """List the experiments that have a result and did not end by themselves."""
    run = {result.experiment for result in kept.results}
    ended = {name: state for name, state in kept.states.items() if state != DONE}
    return [f"{name}: {state}" for name, state in ended.items() if name in run]


def _notes(result: ExperimentResult) -> list[str]:
    found = []
    for row in result.rows:
        article = result.published(row).note
        if said := "; ".join(filter(None, (row.note, article and f"the article {article}"))):
            found.append(f"{row.arm}: {said}")
    return found


def _curves(result: ExperimentResult) -> list[str]:
    """One plot for each arm and measure: the learned questions, and the others dashed.

    Of the fourth experiment one plot of all arms, against the effective batch.
    """
    if result.experiment == "noise":
        drawn = [_line(curve, curve.arm) for curve in result.curves]
        title = "Accuracy against the effective batch, as many tokens each"
        return [lines(title, drawn, unit="%", across="effective batch")] if drawn else []
    found = []
    for learned in result.curves:
        others = [
            each
            for each in result.curves
            if each.arm == learned.arm and each.measure.startswith(f"{learned.measure}, ")
        ]
        if not others or not learned.measure.startswith(_DRAWN):
            continue
        drawn = [_line(learned, "learned"), _line(others[0], "others", dashed=True)]
        title = f"{learned.arm}: {learned.measure}; dotted: its teacher"
        found.append(lines(title, drawn, unit="%", across="step", level=learned.teacher))
    return found


def _line(curve: Curve, label: str, *, dashed: bool = False) -> Line:
    points = [
        (each.step, each.figure.value, each.figure.low, each.figure.high) for each in curve.points
    ]
    return Line(label=label, points=points, dashed=dashed)


def _short_cells(result: ExperimentResult, row: ArmRow) -> tuple[str, ...]:
    """Word a figure for a terminal: an interval only if something is claimed."""
    article = replace(result.published(row), note="")
    return (
        row.arm,
        row.measure,
        str(row.tasks) if row.tasks == row.of_tasks else f"{row.tasks}/{row.of_tasks}",
        f"{row.before.value:.1f}" if row.before else "",
        f"{row.after.value:.1f}" if row.after else "",
        f"{row.gain.value:+.1f} ({row.gain.low:.1f}..{row.gain.high:.1f})" if row.gain else "",
        published_words(article).replace(" ", ""),
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
    """Explanation of the measures that the article does not have; empty without such rows."""
    return _ABOUT_SHARE if any(row.measure.startswith(SHARE) for row in result.rows) else ""


def _label(row: ArmRow) -> str:
    """The arm, with the measure if the article does not have it."""
    if row.measure.startswith((SHARE, LETTER)):
        return f"{row.arm}, {row.measure}"
    return f"{row.arm}, others" if row.is_control else row.arm
