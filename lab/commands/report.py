"""Results of evaluations in a terminal, as JSON, and as one HTML page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import click
from rich.console import Console
from rich.table import Table

from lab.report import Comparison, Cost, PassRate, Scores, summarise, total_cost
from learning.evaluation.samples import (
    ResultManifest,
    Sample,
    SampleFile,
    read_manifest,
    read_samples,
)
from learning.evaluation.statistics import Bootstrap, TaskScores, bootstrap_mean
from tui.show.page import Span, bars, heading, page, paragraph, spans, table
from tui.show.plain import make_console

_PERCENT = 100.0
_BAR = 40
_NAMED = 12


def show(file: SampleFile, samples: Sequence[Sample], *, of_tasks: int, as_json: bool) -> None:
    """Print the scores of some samples and where they are."""
    scores = summarise(samples, seed=file.manifest.sampling.seed)
    cost = total_cost(file.folder)
    if as_json:
        record = scores_record(file.manifest, scores, cost)
        click.echo(json.dumps({**record, "folder": str(file.folder)}))
        return
    print_scores(make_console(), file.manifest, scores, cost, of_tasks=of_tasks)
    click.echo(f"samples and results: {file.folder}")


def show_comparison(
    a: ResultManifest,
    b: ResultManifest,
    found: Comparison,
    differing: tuple[str, ...] = (),
    *,
    as_json: bool,
) -> None:
    """Print a comparison of two results."""
    if as_json:
        click.echo(json.dumps(comparison_record(found)))
    else:
        print_comparison(make_console(), a, b, found, differing)


def print_scores(
    console: Console, manifest: ResultManifest, scores: Scores, cost: Cost | None, *, of_tasks: int
) -> None:
    """Print one run: its settings in a line, pass rates with intervals, endings and cost."""
    console.print(title(manifest), markup=False, highlight=False)
    shown = Table(box=None, pad_edge=False)
    for column in ("", "pass@k", "95 %", "tasks"):
        shown.add_column(column)
    for name, rates in (("raw", scores.raw), ("sanitised", scores.sanitised)):
        for rate in rates:
            shown.add_row(
                f"{name}, k = {rate.k}", _percent(rate.value), _range(rate), str(rate.tasks)
            )
    console.print(shown)
    console.print(
        f"{scores.samples} samples of {scores.tasks} of {of_tasks} tasks; "
        + ", ".join(f"{count} {name}" for name, count in sorted(scores.endings.items())),
        highlight=False,
    )
    console.print(cost_words(scores, cost), highlight=False)


def cost_line(cost: Mapping[str, float]) -> str:
    """A cost in one line."""
    return ", ".join(f"{name} {value:,.0f}" for name, value in cost.items())


def cost_words(scores: Scores, cost: Cost | None) -> str:
    """Cost of a result in words: tokens, time of the model, of the processors and of the sandbox."""
    parts = [f"{scores.completion_tokens} tokens made", f"{scores.prompt_tokens} read"]
    if scores.generation_s:
        rate = scores.completion_tokens / scores.generation_s
        parts.append(f"{scores.generation_s:.0f} s of generation ({rate:.1f} tokens/s)")
    parts.append(f"{scores.sandbox_s:.0f} s in the sandbox")
    return ", ".join(filter(None, (*parts, spent_words(cost))))


def spent_words(cost: Cost | None) -> str:
    """Cost of a result for its machine, over all runs; "" where that was not measured."""
    if cost is None:
        return ""
    runs = f" in {cost.runs} runs" if cost.runs > 1 else ""
    gpu = f" on {cost.gpu}" if cost.gpu else ""
    return f"{cost.cpu_s:.0f} s of CPU and {cost.wall_s:.0f} s in all{runs}{gpu}"


def scores_record(manifest: ResultManifest, scores: Scores, cost: Cost | None) -> dict[str, object]:
    """The scores as one JSON object."""
    return {
        "v": 1,
        "suite": manifest.suite,
        "model": manifest.model,
        "adapter": manifest.adapter,
        "arm": manifest.arm,
        "manifest": manifest.digest,
        **asdict(scores),
        "tokens_per_s": scores.completion_tokens / scores.generation_s
        if scores.generation_s
        else None,
        "cost": asdict(cost) if cost else None,
    }


def print_comparison(
    console: Console,
    a: ResultManifest,
    b: ResultManifest,
    found: Comparison,
    differing: tuple[str, ...],
) -> None:
    """Print two runs on the same tasks: counts, the test, the interval, and which tasks they are."""
    scores = found.scores
    console.print(f"A  {title(a)}\nB  {title(b)}", markup=False, highlight=False)
    if differing:
        console.print(f"They also differ in: {', '.join(differing)}.", highlight=False)
    if found.left_out:
        console.print(f"{found.left_out} tasks that only one of them answered are left out.")
    mean_a, mean_b = (sum(values) / len(values) for values in (scores.a, scores.b))
    console.print(f"{len(scores.tasks)} tasks: A {_percent(mean_a)}, B {_percent(mean_b)}")
    console.print(_bars(scores), markup=False, highlight=False)
    console.print(
        f"{_difference_words(found)} (paired bootstrap); sign test p = {found.p_two_sided:.3f}"
        f" two-sided, {found.p_greater:.3f} for B better",
        highlight=False,
    )
    for name, tasks in (("B won", found.won), ("B lost", found.lost)):
        if tasks:
            more = f" and {len(tasks) - _NAMED} more" if len(tasks) > _NAMED else ""
            console.print(
                f"{name}: {', '.join(tasks[:_NAMED])}{more}", markup=False, highlight=False
            )
    console.print(f"{found.conclusion}.", style="bold")


def comparison_record(found: Comparison) -> dict[str, object]:
    """The comparison as one JSON object."""
    return {
        "v": 1,
        "tasks": len(found.scores.tasks),
        "wins": found.scores.wins,
        "losses": found.scores.losses,
        "ties": found.scores.ties,
        "left_out": found.left_out,
        "difference": found.difference.mean,
        "interval": [found.difference.interval.low, found.difference.interval.high],
        "p_two_sided": found.p_two_sided,
        "p_greater": found.p_greater,
        "won": list(found.won),
        "lost": list(found.lost),
        "conclusion": found.conclusion,
    }


def _bars(scores: TaskScores) -> str:
    most = max(scores.wins, scores.losses, scores.ties, 1)
    rows = (("B wins", scores.wins), ("B loses", scores.losses), ("equal", scores.ties))
    return "\n".join(f"  {name:8}{'█' * round(_BAR * n / most)} {n}" for name, n in rows)


def title(manifest: ResultManifest) -> str:
    """One run in a line: the suite, the model, the arm, the prompt and the sampling."""
    sampling = manifest.sampling
    how = f"T {sampling.temperature:g}" if sampling.temperature else "greedy"
    who = manifest.model + (f" + {manifest.adapter}" if manifest.adapter else "")
    return f"{manifest.suite}: {who}, {manifest.arm}, prompt {manifest.prompt}, {how}"


def _range(rate: PassRate) -> str:
    return f"{_PERCENT * rate.interval.low:.1f} - {_PERCENT * rate.interval.high:.1f}"


def _percent(value: float) -> str:
    return f"{_PERCENT * value:.1f} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedResult:
    """One of two compared results."""

    name: str
    manifest: ResultManifest
    samples: Mapping[tuple[str, int], Sample]
    cost: Cost | None

    @classmethod
    def read(cls, name: str, folder: Path) -> Self:
        """Read a results folder.

        Raises:
            SamplesError: If it is none.
        """
        return cls(
            name=name,
            manifest=read_manifest(folder),
            samples=read_samples(folder),
            cost=total_cost(folder),
        )

    def messages(self) -> dict[str, str]:
        """The reason why each task failed, in the words of its first failing sample."""
        found: dict[str, str] = {}
        for sample in self.samples.values():
            if not sample.passed:
                found.setdefault(sample.task_id, sample.message or sample.sanitised_verdict)
        return found


def comparison_page(
    a: ComparedResult, b: ComparedResult, found: Comparison, differing: tuple[str, ...]
) -> str:
    """A comparison as one HTML page: what differs, how surely, and task by task."""
    return page(
        f"{a.manifest.suite}: B against A",
        paragraph(f"A: {title(a.manifest)}"),
        paragraph(f"B: {title(b.manifest)}"),
        paragraph(
            f"{found.conclusion}. {_difference_words(found)} (paired bootstrap over"
            f" {len(found.scores.tasks)} tasks); exact sign test p = {found.p_two_sided:.3f}"
            f" two-sided, {found.p_greater:.3f} for B better."
        ),
        paragraph(_left_out(found, differing), soft=True),
        bars(
            "Tasks",
            [
                ("B wins", found.scores.wins),
                ("B loses", found.scores.losses),
                ("equal", found.scores.ties),
            ],
        ),
        spans("Pass rate", _rates(found), unit="%"),
        spans(
            "Difference, paired",
            [_span("B - A", found.difference)],
            unit="points",
            signed=True,
        ),
        heading("Cost"),
        table(("", "what it took"), ((side.name, _cost(side)) for side in (a, b))),
        heading("Task by task"),
        table(("task", "A", "B", "", "A failed", "B failed"), _rows(a, b, found)),
    )


def _left_out(found: Comparison, differing: tuple[str, ...]) -> str:
    parts = ["Only tasks that both answered count; only those that differ say anything."]
    if found.left_out:
        parts.append(f"{found.left_out} tasks that only one of them answered are left out.")
    if differing:
        parts.append(f"They also differ in: {', '.join(differing)}.")
    return " ".join(parts)


def _rates(found: Comparison) -> list[Span]:
    sides = (("A", found.scores.a), ("B", found.scores.b))
    return [_span(name, bootstrap_mean(values)) for name, values in sides]


def _span(label: str, mean: Bootstrap) -> Span:
    return Span(
        label=label,
        value=_PERCENT * mean.mean,
        low=_PERCENT * mean.interval.low,
        high=_PERCENT * mean.interval.high,
    )


def _difference_words(found: Comparison) -> str:
    low, high = found.difference.interval.low, found.difference.interval.high
    return (
        f"B - A: {_PERCENT * found.difference.mean:+.1f} points,"
        f" 95 % {_PERCENT * low:+.1f} to {_PERCENT * high:+.1f}"
    )


def _cost(side: ComparedResult) -> str:
    return cost_words(summarise(list(side.samples.values())), side.cost)


def _rows(a: ComparedResult, b: ComparedResult, found: Comparison) -> list[tuple[str, ...]]:
    """Rows of all tasks, those on which the two differ first."""
    scores = found.scores
    said_a, said_b = a.messages(), b.messages()
    rows = sorted(
        zip(scores.tasks, scores.a, scores.b, scores.differences, strict=True),
        key=lambda row: (row[3] == 0, row[0]),
    )
    return [
        (
            task,
            f"{_PERCENT * one:.0f} %",
            f"{_PERCENT * other:.0f} %",
            "B wins" if difference > 0 else "B loses" if difference < 0 else "",
            said_a.get(task, ""),
            said_b.get(task, ""),
        )
        for task, one, other, difference in rows
    ]
