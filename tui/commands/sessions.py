"""`elagent sessions`: what was said and done in this repository."""

from __future__ import annotations

import click

from agent.session import list_sessions, read_session
from sandbox.streams import display_safe
from tui.wiring import context


@click.group(help="Show past sessions of this repository.")
def sessions() -> None:
    pass


@sessions.command("ls")
def list_() -> None:
    """Newest first."""
    found = list_sessions(context().repository.sessions)
    for each in found:
        click.echo(f"{each.id}  {each.size_bytes:>9} bytes")
    if not found:
        click.echo("no sessions yet")


@sessions.command("show")
@click.argument("id_", metavar="ID")
def show(*, id_: str) -> None:
    """Print one session as JSON lines, oldest event first."""
    import json

    for record in read_session(context().repository.sessions, id_):
        click.echo(display_safe(json.dumps(record, ensure_ascii=False)))
