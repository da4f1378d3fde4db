"""`elagent watch`: comments in saved files start turns."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from agent.approval import Mode
from tui.running import run_async
from tui.wiring import place_to_work


@click.command(
    help="""Do what comments in saved files of the repository around PATH ask for, until Ctrl-C.

    A line such as `# elagent: handle an empty list` (or //, or --) that is written or changed while
    this runs starts a turn. With ! at its end it is a change, with ? a question; else its words decide.
    After a change the comment is taken out; `elagent undo` brings all of it back. Comments that stood
    there before, or that come with a new file, a checkout or a merge, start nothing."""
)
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option(
    "--mode",
    type=click.Choice(["ask", "auto", "plan"]),
    default="auto",
    help="ask before each change, allow what can be undone (default), or only read.",
)
@click.option("--model", metavar="NAME", help="Model name, folder or GGUF file.")
@click.option("--base-url", metavar="URL", help="Use this OpenAI-compatible server instead.")
@click.option("--poll", is_flag=True, help="Look at the files every second (network folders).")
@click.option("--here", is_flag=True, help="Work even if PATH is a home or no project.")
def watch(
    *, path: Path, mode: str, model: str | None, base_url: str | None, poll: bool, here: bool
) -> int:
    from tui.lines.watching import run_watch

    where = place_to_work(path, {"model.name": model, "model.base_url": base_url}, here=here)
    return run_async(run_watch(where, cast(Mode, mode), polling=poll))
