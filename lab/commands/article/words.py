"""Figures of the experiments in words, the same in tables, JSON and the page."""

from __future__ import annotations

from lab.article.published import Published
from lab.article.results import ArmRow, ExperimentResult, Figure

RECORD_HEAD = (
    *("arm", "measured", "tasks", "before", "after", "gain", "relative"),
    *("teacher", "beyond neutral", "the article", "note"),
)
"""Names of what `cells` gives."""


def cells(result: ExperimentResult, row: ArmRow) -> tuple[str, ...]:
    """A row in words."""
    return (
        row.arm,
        row.measure,
        f"{row.tasks} of {row.of_tasks}",
        figure_words(row.before),
        figure_words(row.after),
        figure_words(row.gain, signed=True),
        "" if row.relative is None else f"{row.relative:+.0f} %",
        figure_words(row.teacher),
        figure_words(row.beyond, signed=True),
        published_words(result.published(row)),
        row.note,
    )


def published_words(published: Published) -> str:
    """The article's figure, with what is to be known about it."""
    if published.before is not None:
        return f"{published.before:g} -> {published.after:g}"
    figure = f"+{published.gain:g}" if published.gain is not None else ""
    return ", ".join(filter(None, (figure, published.note)))


def published_gain(published: Published) -> float | None:
    """The article's gain; None if it gives none."""
    if published.before is not None and published.after is not None:
        return published.after - published.before
    return published.gain


def figure_words(figure: Figure | None, *, signed: bool = False) -> str:
    """A figure with its interval; empty if there is none."""
    if figure is None:
        return ""
    form = "+.1f" if signed else ".1f"
    return f"{figure.value:{form}} ({figure.low:{form}} to {figure.high:{form}})"
