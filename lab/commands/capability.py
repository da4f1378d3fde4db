"""`elagent eval capability`: whether the model can read what tools say of its failures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import click

from agent.paths import make_private
from agent.rounds.trial.capability import measure_capabilities
from learning.promotion.capability import Capability, known_capabilities
from tui.commands.learn import Budget
from tui.plain import TextPresenter, make_console
from tui.running import open_assistant, run_async
from tui.wiring import context

_BUDGET_S = 3600.0


@click.command(help="Can the model read failures? Failed steps again, with and without evidence.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--budget", type=Budget(), metavar="TIME", help="Stop after e.g. 30m. [60m]")
@click.option("--model", metavar="NAME", help="Model name or folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def capability(*, path: Path, budget: float | None, model: str | None, as_json: bool) -> None:
    where = context(path, {"model.name": model})
    presenter = TextPresenter(make_console(stderr=True))
    folder = make_private(where.repository.learn)

    async def run() -> Sequence[Capability]:
        async with open_assistant(where) as assistant:
            trials = assistant.trials(presenter.show)
            base = await trials.model()
            await measure_capabilities(
                trials,
                base=base.identity,
                model=base.name,
                folder=folder,
                emit=presenter.show,
                budget_s=budget or _BUDGET_S,
            )
            return list(known_capabilities(folder, base.identity).values())

    try:
        known = run_async(run())
    finally:
        presenter.close()
    for each in known:
        click.echo(json.dumps(dataclasses.asdict(each)) if as_json else each.words)
