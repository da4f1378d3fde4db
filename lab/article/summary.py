"""Says what of the article holds: each of its figures, ours beside it, and a verdict by one rule.

A figure holds if ours gains, and gains more than a note without content does, both with 95 % intervals
above 0; what learns from rewards, and from no note, needs the gain alone. Where the article's measure
grows with the habit of answering with a letter, the share among the letters decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from lab.article.budget import was_not_run
from lab.article.published import PUBLISHED, Experiment, Published
from lab.article.results import SHARE, ArmRow, ExperimentResult, Figure

FigureVerdict = Literal["holds", "not shown", "opposite", "too few", "no control", "not run"]
_ONLY_IF_ANY = ("too few", "no control")
_LEAST = 10
"""Fewest tasks of which an interval says something."""
_P = "p("
REWARDED = "grpo"
"""Learns from rewards, not from notes: the bare model is what it is compared with."""
_NEVER_BEGUN = "not run: no result of this experiment"


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureClaim:
    """One figure of the article with ours."""

    experiment: Experiment
    arm: str
    article: Published
    verdict: FigureVerdict
    why: str
    model: str = ""
    seed: int | None = None
    row: ArmRow | None = None
    """Our row of the article's measure."""
    decided_by: ArmRow | None = None
    """The row that the verdict is about."""


def claims_of(
    results: Sequence[ExperimentResult], states: Mapping[Experiment, str] | None = None
) -> tuple[FigureClaim, ...]:
    """A claim for each figure of the article and each result of its experiment, run or not."""
    claims = []
    standing = standing_of(results, states or {})
    for (experiment, arm), article in PUBLISHED.items():
        own = [result for result in standing if result.experiment == experiment]
        claims += [_claim(result, arm, article) for result in own]
        if not own:
            why = (states or {}).get(experiment, _NEVER_BEGUN)
            claims.append(
                FigureClaim(
                    experiment=experiment, arm=arm, article=article, verdict="not run", why=why
                )
            )
    return tuple(claims)


def standing_of(
    results: Sequence[ExperimentResult], states: Mapping[Experiment, str]
) -> list[ExperimentResult]:
    """The results without those of an earlier run, whose experiment was not run this time."""
    return [result for result in results if not was_not_run(states, result.experiment)]


def headline(claims: Sequence[FigureClaim]) -> str:
    """The verdicts counted, in one sentence; several results give a figure several verdicts."""
    counts = Counter(claim.verdict for claim in claims)
    said = [
        f"{counts[verdict]} {verdict}"
        for verdict in get_args(FigureVerdict)
        if verdict not in _ONLY_IF_ANY or counts[verdict]
    ]
    figures = len({(claim.experiment, claim.arm) for claim in claims})
    several = f", {len(claims)} verdicts" if len(claims) > figures else ""
    return f"The article's {figures} figures{several}: {', '.join(said)}."


def _claim(result: ExperimentResult, arm: str, article: Published) -> FigureClaim:
    rows = [row for row in result.rows if row.arm == arm and not row.is_control]
    row = next((row for row in rows if not row.is_ours_alone), None)
    share = next((row for row in rows if row.measure.startswith(SHARE)), None)
    decided_by = share if row is not None and row.measure.startswith(_P) else row
    verdict, why = _judged(arm, row, decided_by)
    seed = result.settings.get("seed")
    return FigureClaim(
        experiment=result.experiment,
        arm=arm,
        article=article,
        verdict=verdict,
        why=why,
        model=result.model,
        seed=seed if isinstance(seed, int) else None,
        row=row,
        decided_by=decided_by,
    )


def _judged(arm: str, row: ArmRow | None, decided_by: ArmRow | None) -> tuple[FigureVerdict, str]:
    if row is None:
        return "not run", "not run: not among the arms of the settings"
    if row.gain is None or decided_by is None or decided_by.gain is None:
        return "not run", row.note or "not run"
    gain, beyond = decided_by.gain, decided_by.beyond
    what = decided_by.measure
    if decided_by.tasks < _LEAST:
        return "too few", f"{what} {interval(gain)} points on {decided_by.tasks} tasks only"
    if arm == REWARDED:
        return _verdict(gain, gain), f"{what} {interval(gain)} points over the bare model"
    if beyond is None:
        return "no control", f"{what} {interval(gain)} points; the arm neutral was not run"
    return (
        _verdict(gain, beyond),
        f"{what} {interval(gain)} points; beyond the arm neutral {interval(beyond)}",
    )


def _verdict(gain: Figure, beyond: Figure) -> FigureVerdict:
    if gain.low > 0 and beyond.low > 0:
        return "holds"
    return "opposite" if beyond.high < 0 else "not shown"


def interval(figure: Figure) -> str:
    """A signed figure with its interval."""
    return f"{figure.value:+.1f} ({figure.low:+.1f} to {figure.high:+.1f})"
