"""The report of a training round, as lines for a terminal and as one self-contained HTML page.

The page contains its styles and plots and loads nothing. Text from a repository or a model is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from learning.evaluation.statistics import bootstrap_mean
from learning.promotion.gate import GateDecision, in_words
from learning.promotion.manifest import AdapterManifest
from learning.records import Experience

_PAGE = Path(__file__).with_name("report.html")
_WIDTH, _HEIGHT = 480, 120
_MAX_TEXT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningReport:
    """Content of a report on one training round."""

    manifest: AdapterManifest
    examples: Sequence[Experience]
    """The experiences behind the adapter that are still stored."""
    forgotten: int = 0
    decision: GateDecision | None = None


def terminal_report(learned: LearningReport) -> Iterator[str]:
    """The report as plain lines."""
    manifest, report = learned.manifest, learned.manifest.report
    yield f"{manifest.name}, from {manifest.parent or manifest.model}"
    yield f"learned from {len(manifest.experience_ids)} experiences: {_counts(report, 'examples')}"
    if learned.forgotten:
        yield f"{learned.forgotten} of them were forgotten since: it is tainted"
    for example in learned.examples:
        yield f"  {example.id[:12]}  {example.verdict.value}  {_about(example)}"
    yield from _uses(report.get("apis"))
    if losses := _numbers(report, "losses"):
        yield f"loss {losses[0]:.3f} to {losses[-1]:.3f} in {len(losses)} steps"
        yield f"  {_sparkline(losses)}"
    for name, words in _FIGURES.items():
        values = [value for value in _numbers(report, name) if value is not None]
        if values:
            yield f"{words}: {', '.join(f'{value:.2f}' for value in values)}"
    reading = report.get("reading")
    if isinstance(reading, dict) and reading:
        yield f"reading of the evidence: {_pairs(reading)}"
    if unseen := unseen_in_words(report):
        yield unseen
    yield from in_words(learned.decision) if learned.decision else ()


def _uses(apis: object) -> Iterator[str]:
    """The APIs of which uses were learned, with the number of rows of each."""
    if not isinstance(apis, dict) or not apis:
        return
    what = "1 API" if len(apis) == 1 else f"{len(apis)} APIs"
    yield f"verified uses of {what} that changed:"
    yield from (f"  {count:>3}  {api}" for api, count in sorted(apis.items()))


def html_report(learned: LearningReport) -> str:
    """The report as one HTML page."""
    manifest, report = learned.manifest, learned.manifest.report
    plots = {
        "Loss": _numbers(report, "losses"),
        "Gradient norm": _numbers(report, "grad_norms"),
        "Agreement of the batch's halves (cosine)": _numbers(report, "cosines"),
        "Gradient noise scale (examples)": _numbers(report, "noise_scales"),
        "Loss on examples that are only measured": _numbers(report, "held_out_losses"),
    }
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        name=html.escape(manifest.name),
        summary="".join(f"<li>{html.escape(line)}</li>" for line in terminal_report(learned)),
        plots="".join(_plot(title, values) for title, values in plots.items()),
        examples="".join(map(_example, learned.examples)),
        settings=_table(manifest.config),
        figures=_table(report),
    )


_FIGURES = {
    "cosines": "agreement of the batch's halves",
    "noise_scales": "gradient noise scale in examples",
    "held_out_losses": "loss on examples that are only measured",
}


def _example(example: Experience) -> str:
    facts = "".join(
        f"<li>{html.escape(_said(f'{fact.exception}: {fact.message}'))}</li>"
        for fact in example.evidence
    )
    return (
        f"<details><summary>{html.escape(example.verdict.value)}: {html.escape(_about(example))}"
        f"</summary><ul>{facts}</ul><pre>{html.escape(_said(example.action.text))}</pre></details>"
    )


def _about(example: Experience) -> str:
    about = ", ".join(example.targets) or "-"
    return f"{example.path} ({about})" if example.path else about


def _said(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]} ..."


def _plot(title: str, values: Sequence[float | None]) -> str:
    points = [(step, value) for step, value in enumerate(values) if value is not None]
    if not points:
        return ""
    low, high = min(v for _, v in points), max(v for _, v in points)
    spread = (high - low) or 1.0
    across = max(1, len(values) - 1)
    path = " ".join(
        f"{10 + step * (_WIDTH - 20) / across:.1f},{_HEIGHT - 15 - (v - low) * (_HEIGHT - 30) / spread:.1f}"
        for step, v in points
    )
    dots = "".join(
        f'<circle r="3" cx="{x}" cy="{y}"/>' for x, y in (p.split(",") for p in path.split())
    )
    return (
        f"<figure><figcaption>{html.escape(title)}: {points[0][1]:.4g} to {points[-1][1]:.4g}"
        f" (lowest {low:.4g}, highest {high:.4g})</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"><polyline points="{path}"/>{dots}</svg>'
        "</figure>"
    )


def _sparkline(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    low, spread = min(known), (max(known) - min(known)) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[int(7 * (value - low) / spread)] for value in known)


def _numbers(report: Mapping[str, object], name: str) -> list[float | None]:
    values = report.get(name)
    if not isinstance(values, list):
        return []
    return [float(value) if isinstance(value, int | float) else None for value in values]


def _counts(report: Mapping[str, object], name: str) -> str:
    counts = report.get(name)
    return _pairs(counts) if isinstance(counts, dict) and counts else "-"


def _pairs(values: Mapping[object, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _table(values: Mapping[str, object]) -> str:
    rows = (
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in values.items()
    )
    return f"<table>{''.join(rows)}</table>"


_MIN_UNSEEN = 5
"""Fewest fixes whose mean gain is shown."""


def unseen_in_words(report: Mapping[str, object]) -> str:
    """Sentence on the gain in likelihood of accepted fixes that the round did not learn.

    It is shown beside the gates and decides nothing. "" if nothing was measured.
    """
    before, after = report.get("unseen_before"), report.get("unseen_after")
    if not (isinstance(before, list) and isinstance(after, list) and before):
        return ""
    if len(before) < _MIN_UNSEEN or len(before) != len(after):
        return (
            f"accepted fixes it never saw: {len(before)}, too few to say ({_MIN_UNSEEN} are needed)"
        )
    gain = bootstrap_mean([new - old for old, new in zip(before, after, strict=True)])
    return (
        f"accepted fixes it never saw ({len(before)}): {gain.mean:+.3f} nats a token"
        f" ({gain.interval.low:+.3f} to {gain.interval.high:+.3f}; above 0 is more likely)"
    )
