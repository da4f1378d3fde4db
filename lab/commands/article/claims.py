"""Shows what of the article holds, as a table of 80 columns, JSON, and a part of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from lab.article.summary import REWARDED, FigureClaim, headline
from lab.commands.article.words import figure_words, published_gain, published_words
from tui.show.page import Span, heading, paragraph, spans, table

_HEAD = ("figure", "article", "ours", "gain, 95 %", "n", "verdict")
_RECORD = (
    *("experiment", "arm", "the article", "before", "after", "gain", "measured"),
    *("beyond neutral", "tasks", "model", "seed", "verdict", "why"),
)
_RULE = (
    "holds: gains, and gains more than the arm neutral, which learns from a note without content;"
    f" both intervals above 0. {REWARDED} learns from rewards: its gain alone decides. For MMLU the"
    " share among the letters decides, since p also grows when a model only learns to answer with a"
    " letter."
)
_NO_COMMAND = "Not run, since there is no command for it yet: accuracy against the effective batch."


def print_claims(console: Console, claims: Sequence[FigureClaim]) -> None:
    """Print the verdicts, one line for each figure, and the reasons below."""
    console.print("What of the article holds", style="bold")
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in _HEAD:
        shown.add_column(name, no_wrap=True)
    for claim in claims:
        shown.add_row(*_short(claim))
    console.print(shown)
    console.print(headline(claims), highlight=False)
    console.print(_NO_COMMAND, highlight=False)
    console.print(_RULE, highlight=False)
    for line in dict.fromkeys(map(_reason, claims)):
        console.print(line, markup=False, highlight=False)
    for line in dict.fromkeys(_subject(claim) for claim in claims if claim.model):
        console.print(line, markup=False, highlight=False)


def claim_record(claim: FigureClaim) -> dict[str, object]:
    """One figure as a JSON object."""
    return dict(zip(_RECORD, _cells(claim), strict=True))


def claims_html(claims: Sequence[FigureClaim]) -> list[str]:
    """The verdicts as parts of the page."""
    drawn = [
        Span(
            label=_name(claim),
            value=claim.row.gain.value,
            low=claim.row.gain.low,
            high=claim.row.gain.high,
            published=published_gain(claim.article),
        )
        for claim in claims
        if claim.row is not None and claim.row.gain is not None
    ]
    return [
        heading("Each figure of the article, and ours"),
        paragraph(f"{headline(claims)} {_NO_COMMAND}"),
        table(_RECORD, (_cells(claim) for claim in claims)),
        paragraph(_RULE, soft=True),
        spans(
            "Gain in the article's own measure; hollow: the article",
            drawn,
            unit="points",
            signed=True,
        ),
    ]


def _cells(claim: FigureClaim) -> tuple[str, ...]:
    row, decided_by = claim.row, claim.decided_by
    return (
        claim.experiment,
        claim.arm,
        published_words(claim.article),
        figure_words(row.before if row else None),
        figure_words(row.after if row else None),
        figure_words(row.gain if row else None, signed=True),
        decided_by.measure if decided_by else "",
        figure_words(decided_by.beyond if decided_by else None, signed=True),
        f"{row.tasks} of {row.of_tasks}" if row else "",
        claim.model,
        "" if claim.seed is None else str(claim.seed),
        claim.verdict,
        claim.why,
    )


def _short(claim: FigureClaim) -> tuple[str, ...]:
    row = claim.row
    ours = (
        f"{row.before.value:.1f}->{row.after.value:.1f}"
        if row and row.before and row.after
        else "not run"
    )
    return (
        _name(claim),
        published_words(replace(claim.article, note="")).replace(" ", ""),
        ours,
        figure_words(row.gain if row else None, signed=True).replace(" to ", ".."),
        str(row.tasks) if row and row.tasks else "",
        claim.verdict,
    )


def _name(claim: FigureClaim) -> str:
    return f"{claim.experiment} {claim.arm}"


def _reason(claim: FigureClaim) -> str:
    """The verdict's reason; one for all figures of an experiment that has no result."""
    return f"{_name(claim) if claim.model else claim.experiment}: {claim.why}"


def _subject(claim: FigureClaim) -> str:
    return f"{claim.experiment}: {claim.model}, seed {claim.seed}; the article's is Llama-3.2-1B"
