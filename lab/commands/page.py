"""A comparison of two results as one HTML page: what differs, how surely, and task by task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.commands.view import cost_words, title
from lab.comparison import Comparison
from lab.costs import Cost, total_cost
from lab.scores import summarise
from learning.evaluation.samples import Manifest, Sample, read_manifest, read_samples
from learning.evaluation.statistics import bootstrap_mean
from tui.page import Span, bars, heading, page, paragraph, spans, table

_PERCENT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two results."""

    name: str
    manifest: Manifest
    samples: Mapping[tuple[str, int], Sample]
    cost: Cost | None

    @classmethod
    def read(cls, name: str, folder: Path) -> Side:
        """A results folder.

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
        """Why a task failed, in the words of its first failing sample."""
        found: dict[str, str] = {}
        for sample in self.samples.values():
            if not sample.passed:
                found.setdefault(sample.task_id, sample.message or sample.sanitised_verdict)
        return found


def comparison_page(a: Side, b: Side, found: Comparison, differing: tuple[str, ...]) -> str:
    """The whole page."""
    low, high = found.difference.interval.low, found.difference.interval.high
    tasks = len(found.scores.tasks)
    return page(
        f"{a.manifest.suite}: B against A",
        paragraph(f"A: {title(a.manifest)}"),
        paragraph(f"B: {title(b.manifest)}"),
        paragraph(
            f"{found.conclusion}. B - A: {_PERCENT * found.difference.mean:+.1f} points, 95 %"
            f" {_PERCENT * low:+.1f} to {_PERCENT * high:+.1f} (paired bootstrap over {tasks} tasks);"
            f" exact sign test p = {found.p_two_sided:.3f} two-sided, {found.p_greater:.3f} for B"
            " better."
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
            [
                Span(
                    label="B - A",
                    value=_PERCENT * found.difference.mean,
                    low=_PERCENT * low,
                    high=_PERCENT * high,
                )
            ],
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
    spanned = []
    for name, values in (("A", found.scores.a), ("B", found.scores.b)):
        rate = bootstrap_mean(values)
        spanned.append(
            Span(
                label=name,
                value=_PERCENT * rate.mean,
                low=_PERCENT * rate.interval.low,
                high=_PERCENT * rate.interval.high,
            )
        )
    return spanned


def _cost(side: Side) -> str:
    return cost_words(summarise(list(side.samples.values())), side.cost)


def _rows(a: Side, b: Side, found: Comparison) -> list[tuple[str, ...]]:
    """Tasks on which they differ first."""
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
