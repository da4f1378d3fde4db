"""`elagent serve`: a model on loopback, for elagent's own sessions and for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from tui.wiring import context


@click.command(help="Serve a model on loopback, speaking the OpenAI-compatible API.")
@click.option("--model", metavar="NAME", help="Model name, folder or GGUF file.")
@click.option("--engine", type=click.Choice(["auto", "llama", "torch"]), help="[auto]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free one.")
@click.option(
    "--idle",
    type=click.FloatRange(min=0),
    metavar="S",
    help="End this long after the last client; 0 is at once. [600]",
)
@click.option("--context-length", type=click.IntRange(min=512), metavar="N")
@click.option(
    "--state-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write address and token here when ready.",
)
def serve(
    *,
    model: str | None,
    engine: str | None,
    port: int,
    idle: float | None,
    context_length: int | None,
    state_file: Path | None,
) -> None:
    from learning.model.server import serve as run_server

    where = context()
    settings = where.settings.model
    run_server(
        model=model or settings.name,
        models_dir=where.paths.models,
        engine=engine or settings.engine,
        port=port,
        idle_s=settings.idle_s if idle is None else idle,
        state_file=state_file,
        adapters=(),
        token=None,
        context_length=context_length or settings.context_length,
    )
