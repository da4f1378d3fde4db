"""`elagent learn`: one learning round on what was captured here, and an honest decision."""

from __future__ import annotations

import re
from pathlib import Path

import click

from agent.learn import LearnOptions
from tui.plain import make_presenter, show_all
from tui.running import open_assistant, run_async
from tui.wiring import context

_BUDGET = re.compile(r"(\d+(?:\.\d+)?)([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class Budget(click.ParamType[float]):
    """A duration such as `90s`, `30m` or `2h`, in seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = _BUDGET.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not a duration; write 90s, 30m or 2h", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


@click.command(help="Turn what was captured here into an adapter, and decide whether to use it.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--max-examples", type=click.IntRange(min=1), metavar="N", help="Passes. [8]")
@click.option("--max-tokens", type=click.IntRange(min=32), metavar="N", help="An example. [512]")
@click.option("--budget", type=Budget(), metavar="TIME", help="Stop training after e.g. 30m.")
@click.option("--seed", type=click.IntRange(min=0), help="[0]")
@click.option("--dry-run", is_flag=True, help="Only say what would be learned and its cost.")
@click.option("--discard", is_flag=True, help="Throw an interrupted round away first.")
@click.option("--model", metavar="NAME", help="Model name or folder.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON lines.")
def learn(
    *,
    path: Path,
    max_examples: int | None,
    max_tokens: int | None,
    budget: float | None,
    seed: int | None,
    dry_run: bool,
    discard: bool,
    model: str | None,
    as_json: bool,
) -> int:
    where = context(
        path,
        {
            "model.name": model,
            "learn.max_examples": max_examples,
            "learn.max_tokens": max_tokens,
            "learn.seed": seed,
        },
    )
    settings = where.settings.learn
    options = LearnOptions(
        max_examples=settings.max_examples,
        steps=settings.steps,
        max_tokens=settings.max_tokens,
        learning_rate=settings.lr,
        rank=settings.rank,
        seed=settings.seed,
        budget_s=budget,
        keep_adapters=settings.keep_adapters,
        dry_run=dry_run,
        discard=discard,
    )
    presenter = make_presenter(as_json=as_json)

    async def run() -> None:
        async with open_assistant(where) as assistant:
            await show_all(assistant.learn(options), presenter)

    try:
        run_async(run())
    finally:
        presenter.close()
    return 0
