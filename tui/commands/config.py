"""`elagent config`: prints every setting with its value and the origin of the value."""

from __future__ import annotations

import os

import click

from agent.paths import from_environ
from agent.settings.load import describe
from agent.text import display_safe
from tui.wiring import context


@click.group(help="Show the settings and where each one comes from.")
def config() -> None:
    pass


@config.command("show")
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
def show(*, origin: bool) -> None:
    """Print all settings as `section.key = value`."""
    for line in describe(context().loaded, origin=origin):
        click.echo(display_safe(line))


@config.command("home")
def home() -> None:
    """Print the folder that holds all state of elagent."""
    click.echo(from_environ(os.environ).home)
