"""Builds a self-contained HTML page: tables, plots as inline SVG, all text escaped, nothing loaded."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

_FRAME = Path(__file__).with_name("page.html")
_LABELS, _PLOT, _ROW, _TOP = 250, 430, 26, 8
_MARGIN, _HEIGHT = 60, 150
_TICKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A value with its interval, and a published value to compare with."""

    label: str
    value: float
    low: float
    high: float
    published: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Values along a number such as a count of steps, each with its interval."""

    label: str
    points: Sequence[tuple[float, float, float, float]]
    """Place, value, and the interval's low and high end."""
    dashed: bool = False


def page(title: str, *parts: str) -> str:
    """Build the page; `parts` are HTML already."""
    frame = Template(_FRAME.read_text(encoding="utf-8"))
    return frame.substitute(title=html.escape(title), body="\n".join(parts))


def heading(text: str) -> str:
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str, *, soft: bool = False) -> str:
    kind = ' class="soft"' if soft else ""
    return f"<p{kind}>{html.escape(text)}</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Build a table of texts; align cells that begin like a number to the right."""
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def spans(title: str, rows: Sequence[Span], *, unit: str, signed: bool = False) -> str:
    """Draw values with intervals, one below the other; hollow marks are published values."""
    if not rows:
        return ""
    known = [v for r in rows for v in (r.low, r.high, r.published) if v is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    spread = (high - low) or 1.0

    def x(value: float) -> float:
        return _LABELS + _PLOT * (value - low) / spread

    end = _TOP + _ROW * len(rows)
    marks = [
        f'<line class="axis" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{_TOP}" y2="{end}"/>'
        f'<text class="soft" text-anchor="middle" x="{x(tick):.1f}" y="{end + 16}">{tick:g}</text>'
        for tick in _ticks(low, high)
    ]
    if low < 0 < high:
        marks.append(f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{_TOP}" y2="{end}"/>')
    for number, row in enumerate(rows):
        y = _TOP + _ROW * number + _ROW / 2
        value = f"{row.value:+.1f}" if signed else f"{row.value:.1f}"
        marks.append(
            f'<text x="0" y="{y + 4:.1f}">{html.escape(row.label)}: {value}</text>'
            f'<line class="ours" x1="{x(row.low):.1f}" x2="{x(row.high):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="ours" r="4" cx="{x(row.value):.1f}" cy="{y}"/>'
        )
        if row.published is not None:
            marks.append(f'<circle class="theirs" r="5" cx="{x(row.published):.1f}" cy="{y}"/>')
    return _figure(f"{title} ({unit})", _LABELS + _PLOT + 30, end + 24, marks)


def lines(
    title: str, rows: Sequence[Line], *, unit: str, across: str, level: float | None = None
) -> str:
    """Draw lines with bands for their intervals; `level` is a value to reach, dotted."""
    points = [point for row in rows for point in row.points]
    if not points:
        return ""
    values = [value for point in points for value in point[1:]]
    low, high = min([0.0, *values]), max([*values, level or 0.0])
    last = max(point[0] for point in points) or 1.0
    spread = (high - low) or 1.0

    def x(place: float) -> float:
        return _MARGIN + _PLOT * place / last

    def y(value: float) -> float:
        return _TOP + _HEIGHT * (high - value) / spread

    end = _TOP + _HEIGHT
    marks = [
        f'<line class="axis" x1="{_MARGIN}" x2="{x(last):.1f}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text class="soft" text-anchor="end" x="{_MARGIN - 6}" y="{y(tick) + 4:.1f}">{tick:g}</text>'
        for tick in _ticks(low, high)
    ]
    marks += [
        f'<text class="soft" text-anchor="middle" x="{x(tick):.1f}" y="{end + 16}">{tick:g}</text>'
        for tick in _ticks(0, last)
    ]
    if level is not None:
        marks.append(
            f'<line class="level" x1="{_MARGIN}" x2="{x(last):.1f}"'
            f' y1="{y(level):.1f}" y2="{y(level):.1f}"/>'
        )
    for row in rows:
        upper = " ".join(f"{x(at):.1f},{y(top):.1f}" for at, _, _, top in row.points)
        lower = " ".join(
            f"{x(at):.1f},{y(bottom):.1f}" for at, _, bottom, _ in reversed(row.points)
        )
        middle = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value, _, _ in row.points)
        at, value = row.points[-1][:2]
        kind = "line dashed" if row.dashed else "line"
        marks.append(
            f'<polygon class="band" points="{upper} {lower}"/>'
            f'<polyline class="{kind}" points="{middle}"/>'
            f'<text x="{x(at) + 6:.1f}" y="{y(value) + 4:.1f}">{html.escape(row.label)}</text>'
        )
    return _figure(f"{title} ({unit}, by {across})", _LABELS + _PLOT + 30, end + 24, marks)


def bars(title: str, rows: Sequence[tuple[str, int]]) -> str:
    """Draw counts as bars."""
    most = max([count for _, count in rows] or [1]) or 1
    marks = []
    for number, (label, count) in enumerate(rows):
        y = _TOP + _ROW * number
        marks.append(
            f'<text x="0" y="{y + 16}">{html.escape(label)}: {count}</text>'
            f'<rect class="ours" x="{_LABELS}" y="{y + 4}" height="16"'
            f' width="{_PLOT * count / most:.1f}"/>'
        )
    return _figure(title, _LABELS + _PLOT + 30, _TOP + _ROW * len(rows) + 8, marks)


def _ticks(low: float, high: float) -> list[float]:
    """Return a few round values from `low` to `high`."""
    rough = ((high - low) or 1.0) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(nice for nice in (1, 2, 5, 10) if nice * power >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _figure(title: str, width: float, height: float, marks: Iterable[str]) -> str:
    words = html.escape(title)
    return (
        f"<figure><figcaption>{words}</figcaption>"
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img"'
        f' aria-label="{words}">{"".join(marks)}</svg></figure>'
    )


def _cell(text: str) -> str:
    number = text[:1].isdigit() or (text[:1] in "+-" and text[1:2].isdigit())
    kind = ' class="number"' if number else ""
    return f"<td{kind}>{html.escape(text)}</td>"
