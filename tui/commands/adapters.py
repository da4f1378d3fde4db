"""`elagent adapters`: what was learned in this repository, and which of it is in use."""

from __future__ import annotations

import json
from datetime import datetime

import click
from rich.table import Table

from learning.experience.store import ExperienceStore
from learning.model.resolve import resolve
from learning.promotion.adapters import AdapterManifest, AdapterStore
from sandbox.streams import display_safe
from tui.plain import make_console
from tui.wiring import Context, context


@click.group(help="Show, use or roll back what was learned in this repository.")
def adapters() -> None:
    pass


def _store(where: Context) -> AdapterStore:
    store = AdapterStore(where.repository.adapters)
    if where.repository.adapters.is_dir():
        store.sweep()
    return store


def _tainted(where: Context, manifest: AdapterManifest) -> bool:
    """Whether it was trained on an experience that has been forgotten since."""
    if not where.repository.experiences.exists():
        return False
    with ExperienceStore.open(where.repository.experiences) as experiences:
        return not experiences.forgotten().isdisjoint(manifest.experience_ids)


@adapters.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_adapters(*, as_json: bool) -> None:
    """Oldest first; the one in use is marked."""
    where = context()
    store = _store(where)
    active = store.active()
    rows = store.list()
    states = [_state(where, row, active) for row in rows]
    if as_json:
        for row, state in zip(rows, states, strict=True):
            record = {
                "v": 1,
                "name": row.name,
                "state": state,
                "parent": row.parent,
                "model": row.model,
                "experiences": list(row.experience_ids),
            }
            click.echo(json.dumps(record))
        return
    console = make_console()
    if not rows:
        console.print("Nothing was learned here yet; `elagent learn` does it.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "made", "from", "experiences", "state"):
        table.add_column(column, overflow="fold")
    for row, state in zip(rows, states, strict=True):
        made = datetime.fromtimestamp(row.created_at).astimezone().strftime("%Y-%m-%d %H:%M")
        table.add_row(row.name, made, row.parent or row.model, str(len(row.experience_ids)), state)
    console.print(table)


def _state(where: Context, row: AdapterManifest, active: AdapterManifest | None) -> str:
    state = "in use" if active is not None and active.name == row.name else "in shadow"
    return f"{state}, tainted: made from something forgotten" if _tainted(where, row) else state


@adapters.command("show")
@click.argument("name")
def show(*, name: str) -> None:
    """The lineage, settings and report of one adapter."""
    store = _store(context())
    manifest = store.get(name)
    click.echo(f"{manifest.name}\nfolder: {store.path(name)}\nmodel: {manifest.model}")
    click.echo(f"parent: {manifest.parent or 'the bare base model'}\nseed: {manifest.seed}")
    click.echo(f"experiences: {', '.join(manifest.experience_ids)}")
    for title, values in (("config", manifest.config), ("report", manifest.report)):
        click.echo(f"{title}:")
        for key, value in values.items():
            click.echo(display_safe(f"  {key}: {value}"))


@adapters.command("use")
@click.argument("name")
def use(*, name: str) -> None:
    """Use this adapter from the next reply on; `base` is the bare base model."""
    where = context()
    store = _store(where)
    if name == "base":
        store.deactivate()
        click.echo("the bare base model is in use")
        return
    model = resolve(where.settings.model.name, where.paths.models)
    manifest = store.activate(name, base=model.identity)
    click.echo(f"{manifest.name} is in use from the next reply on; `elagent adapters rollback`")


@adapters.command("rollback")
def rollback() -> None:
    """Go back to what was in use before."""
    manifest = _store(context()).rollback()
    click.echo(f"{manifest.name if manifest else 'the bare base model'} is in use")


@adapters.command("rm")
@click.argument("name")
def remove(*, name: str) -> None:
    """Delete an adapter that is not in use."""
    _store(context()).remove(name)
    click.echo(f"removed {name}")
