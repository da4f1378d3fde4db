"""`elagent mcp`: serves this repository's sandbox and repairs to another agent over stdio."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from agent.errors import ExtraMissingError
from agent.library.experiences import Experience, captured
from agent.session.context import Context
from tui.running import open_assistant, run_async
from tui.wiring import contexts, place


@click.command(help="Serve tests, repairs and experiences of PATH to another agent (MCP, stdio).")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--model", metavar="NAME", help="Model name, folder or GGUF file.")
@click.option("--base-url", metavar="URL", help="Use this OpenAI-compatible server instead.")
@click.option("--here", is_flag=True, help="Work even if PATH is a home or no project.")
def mcp(*, path: Path, model: str | None, base_url: str | None, here: bool) -> int:
    try:
        import mcp as _sdk  # noqa: F401 - only whether it is there
    except ModuleNotFoundError as err:
        message = 'the Model Context Protocol needs one more package: pip install "elagent[mcp]"'
        raise ExtraMissingError(message) from err
    given = {"model.name": model, "model.base_url": base_url}
    (where,) = contexts((str(path),), given, here=here, may_ask=False)
    run_async(_serve(where, partial(_latest, path)))
    return 0


async def _serve(where: Context, latest: partial[tuple[Experience, ...]]) -> None:
    from tui.bridges.mcp_server import serve

    async with open_assistant(where) as assistant:
        await serve(assistant, latest).run_stdio_async()


def _latest(path: Path, limit: int) -> tuple[Experience, ...]:
    return captured(place(path).library, limit=limit).rows
