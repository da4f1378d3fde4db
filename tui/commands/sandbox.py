"""`elagent sandbox`: builds, lists and removes sandbox images; runs a command or shell in one."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from pathlib import Path

import click
from rich.table import Table

from agent.approval import Approver, Mode
from agent.errors import AgentError
from agent.events import StageStarted, TurnEnding, TurnFinished
from agent.library.images import ensure_base, last_use, list_images, prune_all
from agent.session.context import Context
from agent.session.runs import last_runs
from agent.testing.shell import open_shell
from agent.text import display_safe, format_bytes, format_seconds
from tui.lines.asking import terminal_approver
from tui.running import open_assistant, run_async
from tui.show.plain import TextPresenter, make_console, print_table
from tui.wiring import context, place_to_work


@click.group(help="Build, show or clean up sandbox images, or run something in one.")
def sandbox() -> None:
    pass


@sandbox.command("build")
@click.option(
    "--source",
    metavar="SOURCE",
    help="dockerfile, debian, lite (from this machine's own Python), or the name of any image."
    " [auto: one that is there, else the first of these that can be made]",
)
def build(*, source: str | None) -> None:
    """Make the base image, unless it is there."""
    settings = context().settings.sandbox
    presenter = TextPresenter(make_console(stderr=True))
    try:
        image = ensure_base(
            source=source or settings.image,
            apt_packages=settings.apt_packages,
            on_progress=lambda line: presenter.show(StageStarted(line)),
        )
    finally:
        presenter.close()
    python = f"Python {image.python}" if image.python else "no Python"
    click.echo(
        f"{image.name}: made from {image.source}, {python}, {format_bytes(image.size_bytes)}"
    )


@sandbox.command("ls")
def list_() -> None:
    """List all images that elagent made, newest first."""
    table = Table(box=None, pad_edge=False)
    for column in ("name", "from", "python", "size", "last used"):
        table.add_column(column, overflow="fold")
    images = list_images()
    cache, now = context().paths.sandbox / "wheels", time.time()
    for image in images:
        age = f"{format_seconds(now - last_use(image, cache))} ago"
        size = format_bytes(image.size_bytes)
        table.add_row(image.name, image.source, image.python, size, age)
    console = make_console()
    if images:
        print_table(table)
    else:
        console.print("No image yet; `elagent sandbox build` makes one.")


@sandbox.command("runs")
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=100_000),
    default=20,
    show_default=True,
    help="Number of runs to show.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def runs(*, limit: int, as_json: bool) -> None:
    """List the runs in the sandbox on this machine, newest first: when, for which project, the end.

    Runs are kept for 30 days. Arguments of commands are not noted: they may hold secrets.
    """
    noted = last_runs(context().paths, limit)
    if as_json:
        for item in noted:
            click.echo(json.dumps(dataclasses.asdict(item)))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("began", "project", "run", "ended", "took"):
        table.add_column(column, overflow="fold")
    now = time.time()
    for item in noted:
        ended = item.state not in ("created", "running")
        took = format_seconds(item.changed_at - item.began_at) if item.began_at and ended else ""
        began = f"{format_seconds(now - (item.began_at or item.changed_at))} ago"
        words = (began, Path(item.project).name, item.label, item.state.replace("_", " "), took)
        table.add_row(*map(display_safe, words))
    if noted:
        print_table(table)
    else:
        make_console().print("Nothing has run in the sandbox yet.")


@sandbox.command("prune")
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Number of images with project dependencies to keep.",
)
def prune(*, keep: int) -> None:
    """Remove old images, and boxes whose session is gone."""
    boxes, images = prune_all(context().paths.sandbox, keep_last=keep)
    freed = format_bytes(sum(image.size_bytes for image in images))
    click.echo(f"removed {boxes} boxes and {len(images)} images (up to {freed})")


@sandbox.command(
    "run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.option(
    "--bring",
    multiple=True,
    metavar="FILE",
    help="A file that comes back if the command succeeds: shown as a diff and asked about.",
)
@click.option(
    "--mode",
    type=click.Choice(["ask", "auto"]),
    default="ask",
    show_default=True,
    help="Ask before each file is written, or write all of them.",
)
@click.option("--here", is_flag=True, help="Work even if this is a home or no project.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(*, command: tuple[str, ...], bring: tuple[str, ...], mode: Mode, here: bool) -> int:
    """Run COMMAND in a box, on a copy of this repository's files, as its tests would run.

    One argument is a command line for a shell; several are a program and its arguments, as they
    are. The exit code is that of the command, 124 after the time limit, 128 and the number of the
    signal that ended it; 1 if a file of --bring did not come back.

    Whatever it changes there is discarded, but for the files named by --bring (relative to the
    root of the repository); `elagent undo` takes those back.
    """
    presenter = TextPresenter(make_console())
    try:
        where = place_to_work(here=here, focused=True)
        settled = where.settings.approval
        approver = terminal_approver(presenter, as_json=False, mode=mode, settled=settled)
        shown = command if len(command) > 1 else command[0]
        return run_async(_run(where, shown, bring, presenter, approver))
    finally:
        presenter.close()


async def _run(
    where: Context,
    command: str | tuple[str, ...],
    bring: tuple[str, ...],
    presenter: TextPresenter,
    approver: Approver,
) -> int:
    code = 1
    async with open_assistant(where, approver) as assistant:
        async for event in assistant.run_command(command, bring=bring):
            presenter.show(event)
            if isinstance(event, TurnFinished):
                failed = event.ending is not TurnEnding.DONE
                code = event.exit_code or int(failed)
    return code


@sandbox.command("shell")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--here", is_flag=True, help="Work even if PATH is a home or no project.")
def shell(*, path: Path, here: bool) -> int:
    """Open a shell in a box that holds a copy of the files of PATH; changes are discarded."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise AgentError("a shell needs a terminal; for one command use `elagent sandbox run`")
    where = place_to_work(path, here=here)
    presenter = TextPresenter(make_console(stderr=True))

    def say(line: str) -> None:
        presenter.show(StageStarted(line))

    try:
        shell = run_async(
            open_shell(
                where.root,
                settings=where.settings.sandbox,
                paths=where.paths,
                environ=os.environ,
                say=say,
                approver=terminal_approver(presenter, as_json=False),
            )
        )
    finally:
        presenter.close()
    click.echo(
        f"A shell in {shell.image}, without a network, on a copy of {shell.files} files: whatever"
        " changes here is discarded. `exit` ends it.",
        err=True,
    )
    return shell.run()
