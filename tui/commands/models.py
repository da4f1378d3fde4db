"""`elagent models`: lists, fetches and removes models."""

from __future__ import annotations

import json
import os

import click
from rich.table import Table

from agent.events import Progress, StageStarted
from agent.library.machine import Machine, this_machine
from agent.library.models import (
    fetch_model,
    measured_speed,
    model_rows,
    place_of,
    remove_model,
    usable,
)
from agent.paths import Paths, from_environ
from agent.text import format_bytes
from tui.show.plain import TextPresenter, make_console, print_table


@click.group(help="Show, fetch or remove models.")
def models() -> None:
    pass


def _paths() -> Paths:
    return from_environ(os.environ)


@models.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option(
    "--measure",
    is_flag=True,
    help="Decode for ten seconds with an installed model, and estimate the speed of the others.",
)
def list_models(*, as_json: bool, measure: bool) -> None:
    """List the catalog and the installed models, and what this machine can do with each."""
    machine = this_machine()
    folder = _paths().models
    speed = measured_speed(folder) if measure else None
    rows = model_rows(folder, machine, speed)
    if as_json:
        for row in rows:
            click.echo(json.dumps({"v": 1, **row}))
        return
    console = make_console()
    print_table(_table(rows, measured=measure))
    console.print(_footer(machine))
    if speed is not None:
        console.print(
            f"Speed: {speed.model} made {speed.tokens_per_s:.1f} tokens/s in ten seconds; the others are"
            " estimated from the bytes that each reads for a token. Reading a prompt is not in it; a machine"
            " that is busy with something else measures too low."
        )


def _table(rows: list[dict[str, object]], *, measured: bool) -> Table:
    table = Table(box=None, pad_edge=False)
    speed = ("tokens/s",) if measured else ()
    for column in ("name", "licence", "context", "installed", "serves here", "trains here", *speed):
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for row in rows:
        cells = [
            str(row["name"]),
            str(row["licence"]),
            str(row["context_length"] or "-"),
            format_bytes(int(str(row["size_bytes"]))) if row["size_bytes"] else "-",
            str(row["serving"]),
            str(row["training"]),
        ]
        if measured:
            cells.append(f"about {row['tokens_per_s']}" if row["tokens_per_s"] else "-")
        table.add_row(*cells)
    return table


def _footer(machine: Machine) -> str:
    gpu = f"{format_bytes(machine.gpu)} on the GPU" if machine.gpu else "no GPU"
    return (
        f"This machine: {format_bytes(machine.ram)} of memory, {gpu}; a model may take"
        f" {format_bytes(usable(machine.ram))}. Serving: the quantised file with that context."
        " Training: LoRA on weights in bf16, or float32 where the processor does not compute in it; from"
        " 7 B on in 4 bits on a CUDA GPU. Qwen-Research allows no commercial use."
        " Any local folder, GGUF file or hub id works as a name, too."
    )


@models.command("pull")
@click.argument("name")
def pull(*, name: str) -> None:
    """Fetch, verify and convert a model; print only the path if the model is installed."""
    presenter = TextPresenter(make_console(stderr=True))
    stage = ""

    def on_progress(text: str, done: int, total: int) -> None:
        nonlocal stage
        if text != stage:
            stage = text
            presenter.show(StageStarted(text))
        presenter.show(Progress(done, total, "parts" if text.startswith("converting") else "bytes"))

    try:
        model = fetch_model(name, _paths().models, on_progress=on_progress)
    finally:
        presenter.close()
    click.echo(f"{model.name} is ready in {model.gguf or model.hf}")


@models.command("path")
@click.argument("name")
def path(*, name: str) -> None:
    """Print the path of a model."""
    click.echo(place_of(name, _paths().models))


@models.command("rm")
@click.argument("name")
def remove(*, name: str) -> None:
    """Delete an installed model."""
    freed = remove_model(name, _paths().models)
    click.echo(f"removed {name}: {format_bytes(freed)} freed")
