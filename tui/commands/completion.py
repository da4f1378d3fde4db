"""`elagent completion`: the script that makes the shell complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(help="Print the completion script, e.g. `elagent completion bash >> ~/.bashrc`.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> None:
    from tui.cli import cli

    chosen = get_completion_class(shell)
    assert chosen is not None  # noqa: S101 - the choice above lists only what click knows
    click.echo(chosen(cli, {}, "elagent", "_ELAGENT_COMPLETE").source())
