"""`elagent serve`: serves a model on loopback, for elagent's sessions and for other tools."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from agent.text import display_safe
from tui.wiring import context, place


@click.command(help="Serve a model on loopback, speaking the OpenAI-compatible API.")
@click.option("--model", metavar="NAME", help="Model name, folder or GGUF file.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "llama", "torch", "vllm"]),
    help="Engine; vllm starts the program of that name on a GPU. [auto]",
)
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="NAME",
    help="Serve an adapter of this repository, or a folder, as a model of its own name; may be repeated.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0 takes a free one.")
@click.option(
    "--idle",
    type=click.FloatRange(min=0),
    metavar="S",
    help="Time to go on after the last client; 0 ends at once. [600]",
)
@click.option(
    "--context-length",
    type=click.IntRange(min=512),
    metavar="N",
    help="Tokens of prompt and reply.",
)
@click.option(
    "--max-lora-rank",
    type=click.IntRange(1, 512),
    metavar="N",
    help="With --engine vllm: rank of the largest adapter. [64]",
)
@click.option(
    "--state-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write address and token here when ready.",
)
@click.option("--status", is_flag=True, help="Show the servers that sessions started, and end.")
@click.option("--stop", is_flag=True, help="End the servers that sessions started, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --status: one JSON object per line.")
def serve(
    *,
    model: str | None,
    engine: str | None,
    adapters: tuple[str, ...],
    port: int,
    idle: float | None,
    context_length: int | None,
    max_lora_rank: int | None,
    state_file: Path | None,
    status: bool,
    stop: bool,
    as_json: bool,
) -> None:
    if as_json and not status:
        raise click.UsageError("--json goes with --status")
    if status or stop:
        asyncio.run(_about_running(stop=stop, as_json=as_json))
        return
    from agent.library.adapters import named_folder
    from agent.library.models import serve as run_server

    where = context()
    settings = where.settings.model
    if max_lora_rank and (engine or settings.engine) != "vllm":
        raise click.UsageError("--max-lora-rank goes with --engine vllm")
    run_server(
        model=model or settings.name,
        models=where.paths.models,
        engine=engine or settings.engine,
        port=port,
        idle_s=settings.idle_s if idle is None else idle,
        state_file=state_file,
        context_length=context_length or settings.context_length,
        max_lora_rank=max_lora_rank,
        adapters=[named_folder(where.repository, name) for name in adapters],
    )


async def _about_running(*, stop: bool, as_json: bool) -> None:
    """Show the servers that sessions started; with `stop`, end each.

    Raises:
        ServerUnreachableError: If a server does not end.
    """
    from agent.model import local_server

    found = await local_server.servers(place().paths)
    for item in found:
        state = item.state
        health = "answers" if item.answers else "does not answer"
        if as_json:
            row = {"model": state.model, "url": state.url, "pid": state.pid, "health": health}
            click.echo(json.dumps({**row, "context_length": state.context_length}))
        else:
            model, url = display_safe(state.model), display_safe(state.url)
            click.echo(f"{model}: process {state.pid} at {url}, {health}")
        if stop:
            await local_server.stop(item)
            click.echo(f"{display_safe(state.model)}: ended")
    if not found and not as_json:
        click.echo("no model server is running")
