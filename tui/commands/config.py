"""`elagent config`: prints, explains and changes settings."""

from __future__ import annotations

import os
import sys

import click

from agent.paths import from_environ
from agent.settings.change import set_user, unset_user
from agent.settings.explain import explain
from agent.settings.load import describe
from agent.text import display_safe
from tui.wiring import context


@click.group(help="Show, explain and change the settings.")
def config() -> None:
    pass


@config.command("show")
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
def show(*, origin: bool) -> None:
    """Print all settings as `section.key = value`."""
    for line in describe(context().loaded, origin=origin):
        click.echo(display_safe(line))


@config.command("explain")
@click.argument("name")
def explained(name: str) -> None:
    """Say what a setting means, its value, and which values it takes."""
    for line in filter(None, explain(context().loaded, name)):
        click.echo(display_safe(line))


@config.command("set")
@click.argument("name")
@click.argument("value")
def put(name: str, value: str) -> None:
    """Set a setting in your own file, for all projects; the value - is read from standard input."""
    text = sys.stdin.readline().strip() if value == "-" else value
    click.echo(f"{name} is set in {display_safe(str(set_user(name, text, os.environ)))}")


@config.command("unset")
@click.argument("name")
def unset(name: str) -> None:
    """Remove a setting from your own file, so that its default counts again."""
    path = unset_user(name, os.environ)
    click.echo(f"{name} is not set in {display_safe(str(path))}")


@config.command("home")
def home() -> None:
    """Print the folder that holds all state of elagent."""
    click.echo(from_environ(os.environ).home)
