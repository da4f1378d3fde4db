"""`elagent init`: writes a repository's first AGENTS.md from what stands in it."""

from __future__ import annotations

from pathlib import Path

import click

from agent.library.first_instructions import first_instructions, write_first_instructions
from agent.workspace.workspace import Workspace
from tui.wiring import place_to_work


@click.command(help="Write a first AGENTS.md for PATH: its tests, layout and tools.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--print", "only_print", is_flag=True, help="Show the text; write nothing.")
@click.option("--here", is_flag=True, help="Work even if PATH is a home or no project.")
def init(*, path: Path, only_print: bool, here: bool) -> int:
    where = place_to_work(path, here=here)
    repository = where.repository
    workspace = Workspace(
        where.root, repository.shadow_git, environ=where.environ, excluded=(where.paths.home,)
    )
    files = workspace.list_files()
    if only_print:
        click.echo(first_instructions(where.root, files), nl=False)
        return 0
    written = write_first_instructions(where.root, files)
    click.echo(f"{written} was written. Read it, and add the rules that a newcomer cannot see.")
    click.echo("elagent reads it once you have said that you trust it; it asks at its next start.")
    return 0
