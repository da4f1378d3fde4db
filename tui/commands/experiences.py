"""`elagent experiences`: what was captured in this repository, and the owner's rights over it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click
from rich.table import Table

from learning.experience.codec import encode
from learning.experience.store import ExperienceStore
from learning.promotion.adapters import AdapterStore
from learning.promotion.lineage import tainted
from learning.records import Experience
from sandbox.box.streams import display_safe
from tui.plain import format_bytes, make_console
from tui.wiring import place


@click.group(help="Show, forget or export what was captured in this repository.")
def experiences() -> None:
    pass


def _open() -> ExperienceStore:
    return ExperienceStore.open(place().repository.experiences)


def _find(store: ExperienceStore, given: str) -> Experience:
    matching = [each for each in store.list() if each.id.startswith(given)]
    if len(matching) == 1:
        return matching[0]
    found = "several experiences begin" if matching else "no experience begins"
    raise click.UsageError(f"{found} with {given!r}; `elagent experiences ls` shows the ids")


@experiences.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("-n", "--limit", type=int, default=50, show_default=True)
def list_experiences(*, as_json: bool, limit: int) -> None:
    """Newest first: what was tried, and what the tests said."""
    console = make_console()
    with _open() as store:
        rows = store.list(limit=limit)
        counts, capturing = store.counts(), store.capturing
    if as_json:
        for row in rows:
            click.echo(json.dumps(_brief(row)))
        return
    if not rows:
        console.print("Nothing was captured yet; `elagent run-tests --fix` does it.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "when", "verdict", "file", "about"):
        table.add_column(column, overflow="fold")
    for row in rows:
        when = datetime.fromtimestamp(row.created_at).astimezone().strftime("%Y-%m-%d %H:%M")
        about = ", ".join(row.targets) or "-"
        table.add_row(
            row.id[:12], when, row.verdict.value, display_safe(row.path), display_safe(about)
        )
    console.print(table)
    state = "on" if capturing else "off"
    console.print(
        f"{counts.total} experiences ({counts.passed} passed, {counts.failed} failed),"
        f" {format_bytes(counts.size_bytes)}; capture is {state}"
    )


def _brief(row: Experience) -> dict[str, object]:
    return {
        "v": 1,
        "id": row.id,
        "created_at": row.created_at,
        "verdict": row.verdict.value,
        "path": row.path,
        "targets": list(row.targets),
        "fixes": row.fixes,
        "model": row.model,
        "adapter": row.action.adapter,
        "tokens": len(row.action.token_ids),
    }


@experiences.command("show")
@click.argument("id_", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The whole record as JSON.")
def show(*, id_: str, as_json: bool) -> None:
    """What the model was shown, what it did, and what the tools said."""
    with _open() as store:
        row = _find(store, id_)
    if as_json:
        click.echo(encode(row))
        return
    console = make_console()
    for message in row.messages:
        console.rule(message.role, align="left")
        console.print(display_safe(message.content))
    console.rule(
        f"reply by {row.action.model}, adapter {row.action.adapter or 'none'}", align="left"
    )
    console.print(display_safe(row.action.text))
    console.rule(f"verdict: {row.verdict.value}", align="left")
    for fact in row.evidence:
        place = f" at {fact.file}:{fact.line}" if fact.file else ""
        console.print(display_safe(f"{fact.subject}: {fact.exception} {fact.message}{place}"))
    if row.fixes:
        console.print(f"This is the fix of {row.fixes}.")


@experiences.command("forget")
@click.argument("ids", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Forget all of this repository.")
def forget(*, ids: tuple[str, ...], everything: bool) -> None:
    """Erase experiences; adapters that were trained on them are shown as tainted."""
    if not ids and not everything:
        raise click.UsageError("name the experiences to forget, or --all")
    with _open() as store:
        chosen = [e.id for e in store.list()] if everything else [_find(store, i).id for i in ids]
        gone = sum(store.forget(each) for each in chosen)
        forgotten = store.forgotten()
    click.echo(f"forgot {gone} of {len(chosen)}")
    for manifest in tainted(AdapterStore(place().repository.adapters), forgotten):
        click.echo(
            f"{manifest.name} is tainted: something forgotten had a part in it;"
            f" `elagent learn --rebuild {manifest.name}` makes it again without that"
        )


@experiences.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
def export(*, file: Path | None) -> None:
    """Write all experiences as JSON lines, to FILE or to standard output."""
    with _open() as store:
        if file is None:
            for line in store.export():
                click.echo(line)
            return
        temporary = file.with_name(f".{file.name}.tmp")
        try:
            with temporary.open("w", encoding="utf-8") as out:
                out.writelines(f"{line}\n" for line in store.export())
            temporary.replace(file)
        except OSError as err:
            temporary.unlink(missing_ok=True)
            raise click.UsageError(f"{file} cannot be written: {err.strerror}") from err


@experiences.command("capture")
@click.argument("state", type=click.Choice(["on", "off"]))
def capture(*, state: str) -> None:
    """Switch capture on or off for this repository; what is stored stays."""
    with _open() as store:
        store.set_capturing(on=state == "on")
    click.echo(f"capture is {state} in this repository")
