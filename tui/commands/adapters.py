"""`elagent adapters`: lists, explains, switches and removes the adapters of the repository."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click
from rich.table import Table

from agent.library import adapters as library
from agent.library.adapters import AdapterRow
from agent.text import display_safe
from tui.commands.learn import Budget, write_page
from tui.running import open_assistant, run_async
from tui.show.plain import make_console, make_presenter, print_table, show_all
from tui.show.words import KEPT_IN_WORDS
from tui.wiring import context, place


@click.group(help="Show, use or roll back what was learned in this repository.")
def adapters() -> None:
    pass


@adapters.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_adapters(*, as_json: bool) -> None:
    """List adapters, oldest first, with their state."""
    found = library.list_adapters(place().library)
    for sentence in found.trouble:
        click.echo(f"elagent: {display_safe(sentence)}", err=True)
    if as_json:
        for row in found.rows:
            click.echo(json.dumps(_record(row)))
        return
    if not found.rows:
        if not found.trouble:
            make_console().print("Nothing was learned here yet; `elagent learn` does it.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "made", "from", "experiences", "state"):
        table.add_column(column, overflow="fold")
    for row in found.rows:
        made = datetime.fromtimestamp(row.created_at).astimezone().strftime("%Y-%m-%d %H:%M")
        count = str(len(row.experiences))
        table.add_row(row.name, made, row.parent or row.model, count, _state(row))
    print_table(table)


def _state(row: AdapterRow) -> str:
    """The state in words for people; `--json` keeps the one that scripts read."""
    return row.state.replace("in shadow", KEPT_IN_WORDS)


def _record(row: AdapterRow) -> dict[str, object]:
    return {
        "v": 1,
        "name": row.name,
        "state": row.state,
        "parent": row.parent or None,
        "model": row.model,
        "experiences": list(row.experiences),
    }


@adapters.command("show")
@click.argument("name")
def show(*, name: str) -> None:
    """Show the lineage, settings and report of one adapter."""
    for line in library.describe(place().library, name):
        click.echo(display_safe(line))


@adapters.command("report")
@click.argument("name")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
def report(*, name: str, page: Path | None) -> None:
    """Show what an adapter learned, and from which experiences; --html writes a page with plots."""
    owned = place().library
    for line in library.report_lines(owned, name):
        click.echo(display_safe(line))
    if page is not None:
        write_page(page, library.report_page(owned, name))


@adapters.command("diff")
@click.argument("name")
@click.argument("other", required=False)
def diff(*, name: str, other: str | None) -> None:
    """Show the experiences and settings in which NAME differs from OTHER, or from its parent."""
    for line in library.difference(place().library, name, other):
        click.echo(display_safe(line))


@adapters.command("export")
@click.argument("name")
@click.argument("target", type=click.Path(path_type=Path))
def export(*, name: str, target: Path) -> None:
    """Write an adapter to TARGET: a PEFT folder, or one GGUF file where TARGET ends in .gguf."""
    library.export(place().library, name, target)
    click.echo(f"wrote {target}")


@adapters.command("use")
@click.argument("name")
def use(*, name: str) -> None:
    """Use this adapter from the next reply on; the name `base` means the bare base model."""
    used = library.use(context().library, name)
    if used:
        click.echo(
            f"{used} is in use from the next reply on; `elagent adapters rollback` goes back"
        )
    else:
        click.echo("the bare base model is in use")


@adapters.command("try")
@click.argument("name")
@click.option("--budget", type=Budget(), metavar="TIME", help="Stop after e.g. 30m. [60m]")
@click.option("--model", metavar="NAME", help="Model name or folder.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON lines.")
def try_adapter(*, name: str, budget: float | None, model: str | None, as_json: bool) -> None:
    """Compare an adapter on held-out tasks with the one in use, or go on with its trial."""
    where = context(None, {"model.name": model})
    presenter = make_presenter(as_json=as_json)
    limit_s = budget or 60 * where.settings.learn.trial_min

    async def run() -> None:
        async with open_assistant(where) as assistant:
            await show_all(assistant.try_adapter(name, budget_s=limit_s), presenter)

    try:
        run_async(run())
    finally:
        presenter.close()


@adapters.command("weaken")
@click.argument("name")
@click.option(
    "--to",
    "strength",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.5,
    show_default=True,
    help="Share of its strength; 0.5 is halfway to the bare model.",
)
def weaken(*, name: str, strength: float) -> None:
    """Make a weaker copy of an adapter, which may keep the gain and cost less elsewhere; `try` judges it."""
    where = place()
    made = library.weaken(where.library, name, strength, repository=where.root.name)
    click.echo(f"made {made}, which is not in use; `elagent adapters try {made}` judges it")


@adapters.command("rollback")
def rollback() -> None:
    """Use the previous adapter again."""
    used = library.roll_back(place().library)
    click.echo(f"{used or 'the bare base model'} is in use")


@adapters.command("rm")
@click.argument("name")
def remove(*, name: str) -> None:
    """Delete an adapter that is not in use."""
    click.echo(f"removed {library.remove(place().library, name)}")
