"""`elagent acp`: an agent for editors that speak the Agent Client Protocol, over stdio."""

from __future__ import annotations

import dataclasses
import os
import stat
import sys
from pathlib import Path
from typing import TextIO, cast

import click

from agent.approval import MODES, Mode
from agent.errors import ExtraMissingError
from agent.session.context import Context
from tui.running import run_async
from tui.wiring import contexts


@click.command(help="Hold the conversation in an editor that speaks ACP, such as Zed (stdio).")
@click.option("--mode", type=click.Choice(MODES), default="auto", show_default=True)
@click.option("--model", metavar="NAME", help="Model name, folder or GGUF file.")
@click.option("--base-url", metavar="URL", help="Use this OpenAI-compatible server instead.")
@click.option("--here", is_flag=True, help="Work in any folder that the editor names.")
def acp(*, mode: str, model: str | None, base_url: str | None, here: bool) -> int:
    try:
        import acp as _sdk  # noqa: F401 - only whether it is there
    except ModuleNotFoundError as err:
        message = 'the Agent Client Protocol needs one more package: pip install "elagent[acp]"'
        raise ExtraMissingError(message) from err
    if not all(map(_is_editors, (sys.stdin, sys.stdout))):
        raise click.UsageError(
            "an editor starts this command and speaks with it through pipes; standard input or output is none"
        )
    given = {"model.name": model, "model.base_url": base_url}

    def place_of(folder: Path, resume: str | None) -> Context:
        where = contexts((str(folder),), given, here=here, may_ask=False)[0]
        return dataclasses.replace(where, resume=resume)

    from tui.bridges.acp_agent import serve

    run_async(serve(place_of, cast(Mode, mode)))
    return 0


def _is_editors(stream: TextIO | None) -> bool:
    """True for a pipe, a socket or a terminal: a loop of events can wait for nothing else."""
    try:
        mode = os.fstat(stream.fileno()).st_mode if stream is not None else 0
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or bool(stream and stream.isatty())
