"""`elagent undo`, `redo` and `diff`: restore or show changes, untracked files included."""

from __future__ import annotations

import os
from pathlib import Path

import click

from agent.text import display_safe
from agent.workspace.workspace import Restored, Workspace
from tui.undone import left_as_is
from tui.wiring import place


def _workspace(path: Path) -> Workspace:
    where = place(path)
    workspace = Workspace(
        where.root,
        where.repository.shadow_git,
        environ=os.environ,
        excluded=(where.paths.home,),
    )
    for sentence in workspace.put_back():
        click.echo(display_safe(sentence), err=True)
    return workspace


def _report(what: str, done: Restored) -> None:
    click.echo(f"{what}: {display_safe(done.label)}")
    for name in done.paths:
        click.echo(f"  {display_safe(name)}")
    for text in left_as_is(done):
        click.echo(text)


@click.command(help="Put the files back as they were before the last change that elagent made.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option(
    "--force", is_flag=True, help="Also undo files that changed since; `redo` brings it back."
)
def undo(*, path: Path, force: bool) -> None:
    _report("undone", _workspace(path).undo(force=force))


@click.command(help="Take back the last undo.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--force", is_flag=True, help="Also redo files that changed since.")
def redo(*, path: Path, force: bool) -> None:
    _report("redone", _workspace(path).redo(force=force))


@click.command(help="Show what the last change that elagent made did; `undo` takes it back.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
def diff(*, path: Path) -> None:
    workspace = _workspace(path)
    steps = workspace.steps()
    if not steps:
        click.echo("nothing was changed yet")
        return
    click.echo(display_safe(workspace.diff(steps[-1].before, steps[-1].after)), nl=False)
