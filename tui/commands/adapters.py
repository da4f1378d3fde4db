"""`elagent adapters`: what was learned in this repository, and which of it is in use."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import click
from rich.table import Table

from learning.experience.store import ExperienceStore
from learning.model.lora_export import export_gguf
from learning.model.resolve import resolve
from learning.promotion.adapters import AdapterError, AdapterManifest, AdapterStore
from learning.promotion.gate import from_record, in_words
from learning.promotion.lineage import made_from, tainted
from learning.promotion.report import terminal_report, unseen_in_words
from sandbox.box.streams import display_safe
from tui.commands.learn import Budget
from tui.learned import learned_by, write_page
from tui.plain import make_console, make_presenter, show_all
from tui.running import open_assistant, run_async
from tui.wiring import Context, Place, context, place


@click.group(help="Show, use or roll back what was learned in this repository.")
def adapters() -> None:
    pass


def _store(where: Context | Place) -> AdapterStore:
    store = AdapterStore(where.repository.adapters)
    if where.repository.adapters.is_dir():
        store.sweep()
    return store


def _tainted_names(where: Place, store: AdapterStore) -> frozenset[str]:
    """Adapters that something forgotten had a part in."""
    if not where.repository.experiences.exists():
        return frozenset()
    with ExperienceStore.open(where.repository.experiences) as experiences:
        forgotten = experiences.forgotten()
    return frozenset(manifest.name for manifest in tainted(store, forgotten))


@adapters.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_adapters(*, as_json: bool) -> None:
    """Oldest first; the one in use is marked."""
    where = place()
    store = _store(where)
    trouble = store.trouble()
    active = _active(store)
    rows = store.list()
    spoilt = _tainted_names(where, store)
    states = [_state(row, active, tainted=row.name in spoilt) for row in rows]
    for sentence in trouble:
        click.echo(f"elagent: {display_safe(sentence)}", err=True)
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
    if not rows and trouble:
        return
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


def _active(store: AdapterStore) -> AdapterManifest | None:
    """The adapter in use, as far as it can be told."""
    try:
        return store.active()
    except AdapterError:
        return None


def _state(row: AdapterManifest, active: AdapterManifest | None, *, tainted: bool) -> str:
    if active is not None and active.name == row.name:
        state = "in use"
    else:
        state = "rejected" if row.decision.get("kind") == "rejected" else "in shadow"
    return f"{state}, tainted: made from something forgotten" if tainted else state


@adapters.command("show")
@click.argument("name")
def show(*, name: str) -> None:
    """The lineage, settings and report of one adapter."""
    store = _store(place())
    manifest = store.get(name)
    click.echo(f"{manifest.name}\nfolder: {store.path(name)}\nmodel: {manifest.model}")
    click.echo(f"parent: {manifest.parent or 'the bare base model'}\nseed: {manifest.seed}")
    click.echo(f"experiences: {', '.join(manifest.experience_ids)}")
    for title, values in (("config", manifest.config), ("report", manifest.report)):
        click.echo(f"{title}:")
        for key, value in values.items():
            click.echo(display_safe(f"  {key}: {value}"))
    if unseen := unseen_in_words(manifest.report):
        click.echo(unseen)
    click.echo("gates:" if manifest.decision else "gates: it was not tried yet")
    for line in in_words(from_record(manifest.decision)) if manifest.decision else ():
        click.echo(display_safe(f"  {line}"))


@adapters.command("report")
@click.argument("name")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
def report(*, name: str, page: Path | None) -> None:
    """What was learned, from what, and how the round went; with --html as one page with plots."""
    where = place()
    learned = learned_by(where, name)
    for line in terminal_report(learned):
        click.echo(display_safe(line))
    if page is not None:
        write_page(page, learned)


@adapters.command("diff")
@click.argument("name")
@click.argument("other", required=False)
def diff(*, name: str, other: str | None) -> None:
    """What NAME was made from that OTHER was not; without OTHER, its parent is meant."""
    store = _store(place())
    manifest = store.get(name)
    against = other or manifest.parent
    before = made_from(store, against) if against and against != "base" else frozenset()
    after = made_from(store, name)
    click.echo(f"{name} beside {against or 'the bare base model'}")
    for sign, ids in (("+", after - before), ("-", before - after)):
        for id_ in sorted(ids):
            click.echo(f"{sign} experience {id_}")
    old = store.get(against).config if against and against != "base" else {}
    for key, value in manifest.config.items():
        if old and old.get(key) != value:
            click.echo(display_safe(f"  {key}: {old.get(key)} -> {value}"))


@adapters.command("export")
@click.argument("name")
@click.argument("target", type=click.Path(path_type=Path))
def export(*, name: str, target: Path) -> None:
    """Write an adapter to TARGET: a PEFT folder, or one GGUF file where TARGET ends in .gguf."""
    where = place()
    store = _store(where)
    store.verify(name, base=store.get(name).base)
    if target.exists():
        raise click.UsageError(f"{target} is there already: name another one")
    if target.suffix == ".gguf":
        model = resolve(store.get(name).model, where.paths.models)
        if model.hf is None:
            raise click.UsageError(f"{model.name} has no folder to read the architecture from")
        export_gguf(store.path(name), model.hf, target)
    else:
        shutil.copytree(store.path(name), target)
    click.echo(f"wrote {target}")


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


@adapters.command("try")
@click.argument("name")
@click.option("--budget", type=Budget(), metavar="TIME", help="Stop after e.g. 30m. [60m]")
@click.option("--model", metavar="NAME", help="Model name or folder.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON lines.")
def try_adapter(*, name: str, budget: float | None, model: str | None, as_json: bool) -> None:
    """Try an adapter on held-out tasks against what is in use, or go on with its trial."""
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


@adapters.command("rollback")
def rollback() -> None:
    """Go back to what was in use before."""
    manifest = _store(place()).rollback()
    click.echo(f"{manifest.name if manifest else 'the bare base model'} is in use")


@adapters.command("rm")
@click.argument("name")
def remove(*, name: str) -> None:
    """Delete an adapter that is not in use."""
    _store(place()).remove(name)
    click.echo(f"removed {name}")
