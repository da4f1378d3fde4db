"""`elagent experiences`: lists, shows, erases and exports what was captured in the repository."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click
from rich.table import Table

from agent.library import experiences as library
from agent.library.experiences import Experience
from agent.library.team.sharing import pass_on_forgotten
from agent.text import display_safe, format_bytes
from tui.show.plain import make_console, print_table
from tui.wiring import place, users_settings


@click.group(help="Show, forget or export what was captured in this repository.")
def experiences() -> None:
    pass


@experiences.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("-n", "--limit", type=int, default=50, show_default=True)
def list_experiences(*, as_json: bool, limit: int) -> None:
    """List experiences, newest first, with the verdict of the tests."""
    console = make_console()
    found = library.captured(place().library, limit=limit)
    rows, counts = found.rows, found.counts
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
    print_table(table)
    state = "on" if found.capturing else "off"
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
    """Show the prompt, the reply, and the verdict and errors of the tests."""
    row = library.find(place().library, id_)
    if as_json:
        click.echo(library.encode(row))
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
        at = f" at {fact.file}:{fact.line}" if fact.file else ""
        console.print(display_safe(f"{fact.subject}: {fact.exception} {fact.message}{at}"))
    if row.fixes:
        console.print(f"This is the fix of {row.fixes}.")


@experiences.command("forget")
@click.argument("ids", metavar="ID...", nargs=-1)
@click.option(
    "--all", "everything", is_flag=True, help="Forget all experiences of this repository."
)
def forget(*, ids: tuple[str, ...], everything: bool) -> None:
    """Erase experiences; adapters that were trained on them are shown as tainted.

    Where you joined a team, it forgets them, too.
    """
    if not ids and not everything:
        raise click.UsageError("name the experiences to forget, or --all")
    forget_here(ids, everything=everything)


def forget_here(ids: Sequence[str], *, everything: bool) -> None:
    """Erase experiences here, and in the store of the team that the person joined."""
    done = library.forget(place().library, ids, everything=everything)
    click.echo(f"forgot {done.gone} of {done.asked}")
    for name in done.tainted:
        click.echo(
            f"{name} is tainted: something forgotten had a part in it;"
            f" `elagent learn --rebuild {name}` makes it again without that"
        )
    settings = users_settings().team
    if settings.store:
        passed = pass_on_forgotten(place().library, settings)
        click.echo(f"forgot {passed} in the team's store")


@experiences.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
def export(*, file: Path | None) -> None:
    """Write all experiences as JSON lines, to FILE or to standard output."""
    lines = library.exported(place().library)
    if file is None:
        for line in lines:
            click.echo(line)
        return
    temporary = file.with_name(f".{file.name}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in lines)
        temporary.replace(file)
    except OSError as err:
        temporary.unlink(missing_ok=True)
        raise click.UsageError(f"{file} cannot be written: {err.strerror}") from err


@experiences.command("capture")
@click.argument("state", type=click.Choice(["on", "off"]))
def capture(*, state: str) -> None:
    """Switch capture on or off for this repository; stored experiences stay."""
    library.set_capturing(place().library, on=state == "on")
    click.echo(f"capture is {state} in this repository")
