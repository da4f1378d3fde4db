"""How results of evaluations look in a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from lab.article.attempts import Attempt
from lab.comparison import Comparison
from lab.costs import Cost
from lab.scores import PassRate, Scores
from learning.evaluation.samples import Manifest, Sample
from learning.evaluation.statistics import TaskScores

_BAR = 40
_NAMED = 12


def print_scores(
    console: Console, manifest: Manifest, scores: Scores, cost: Cost | None, *, of_tasks: int
) -> None:
    """One run: its settings in a line, pass rates with intervals, endings and cost."""
    console.print(title(manifest), markup=False, highlight=False)
    table = Table(box=None, pad_edge=False)
    for column in ("", "pass@k", "95 %", "tasks"):
        table.add_column(column)
    for name, rates in (("raw", scores.raw), ("sanitised", scores.sanitised)):
        for rate in rates:
            table.add_row(
                f"{name}, k = {rate.k}", _percent(rate.value), _range(rate), str(rate.tasks)
            )
    console.print(table)
    console.print(
        f"{scores.samples} samples of {scores.tasks} of {of_tasks} tasks; "
        + ", ".join(f"{count} {name}" for name, count in sorted(scores.endings.items())),
        highlight=False,
    )
    console.print(cost_words(scores, cost), highlight=False)


def cost_of_replies(replies: Sequence[Sample | Attempt]) -> dict[str, float]:
    """What replies and their verdicts took, by name."""
    return {
        "tokens made": sum(reply.completion_tokens for reply in replies),
        "tokens read": sum(reply.prompt_tokens for reply in replies),
        "s of generation": sum(reply.generation_s for reply in replies),
        "s in the sandbox": sum(reply.sandbox_s for reply in replies),
    }


def cost_line(cost: Mapping[str, float]) -> str:
    """A cost in one line."""
    return ", ".join(f"{name} {value:,.0f}" for name, value in cost.items())


def cost_words(scores: Scores, cost: Cost | None) -> str:
    """What a result took: tokens, time of the model, of the processors and of the sandbox."""
    parts = [f"{scores.completion_tokens} tokens made", f"{scores.prompt_tokens} read"]
    if scores.generation_s:
        rate = scores.completion_tokens / scores.generation_s
        parts.append(f"{scores.generation_s:.0f} s of generation ({rate:.1f} tokens/s)")
    parts.append(f"{scores.sandbox_s:.0f} s in the sandbox")
    return ", ".join(filter(None, (*parts, spent_words(cost))))


def spent_words(cost: Cost | None) -> str:
    """What a result took of its machine, over all runs; "" where that was not measured."""
    if cost is None:
        return ""
    runs = f" in {cost.runs} runs" if cost.runs > 1 else ""
    gpu = f" on {cost.gpu}" if cost.gpu else ""
    return f"{cost.cpu_s:.0f} s of CPU and {cost.wall_s:.0f} s in all{runs}{gpu}"


def scores_record(manifest: Manifest, scores: Scores, cost: Cost | None) -> dict[str, object]:
    """The same as one JSON object."""
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
    console: Console, a: Manifest, b: Manifest, found: Comparison, differing: tuple[str, ...]
) -> None:
    """Two runs on the same tasks: counts, the test, the interval, and which tasks they are."""
    scores = found.scores
    console.print(f"A  {title(a)}\nB  {title(b)}", markup=False, highlight=False)
    if differing:
        console.print(f"They also differ in: {', '.join(differing)}.", highlight=False)
    if found.left_out:
        console.print(f"{found.left_out} tasks that only one of them answered are left out.")
    mean_a, mean_b = (sum(values) / len(values) for values in (scores.a, scores.b))
    console.print(f"{len(scores.tasks)} tasks: A {_percent(mean_a)}, B {_percent(mean_b)}")
    console.print(_bars(scores), markup=False, highlight=False)
    low, high = found.difference.interval.low, found.difference.interval.high
    console.print(
        f"B - A: {100 * found.difference.mean:+.1f} points, 95 % {100 * low:+.1f} to"
        f" {100 * high:+.1f} (paired bootstrap); sign test p = {found.p_two_sided:.3f}"
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
    """The same as one JSON object."""
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


def title(manifest: Manifest) -> str:
    """One run in a line: what was measured, of whom, how."""
    sampling = manifest.sampling
    how = f"T {sampling.temperature:g}" if sampling.temperature else "greedy"
    who = manifest.model + (f" + {manifest.adapter}" if manifest.adapter else "")
    return f"{manifest.suite}: {who}, {manifest.arm}, prompt {manifest.prompt}, {how}"


def _range(rate: PassRate) -> str:
    return f"{100 * rate.interval.low:.1f} - {100 * rate.interval.high:.1f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
