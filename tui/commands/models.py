"""`elagent models`: lists, fetches and removes models."""

from __future__ import annotations

import json
import os

import click
from rich.table import Table

from agent.events import Progress, StageStarted
from agent.library.machine import Machine, this_machine
from agent.library.models import fetch_model, model_rows, place_of, remove_model, usable
from agent.paths import Paths, from_environ
from agent.text import format_bytes
from tui.show.plain import TextPresenter, make_console


@click.group(help="Show, fetch or remove models.")
def models() -> None:
    pass


def _paths() -> Paths:
    return from_environ(os.environ)


@models.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_models(*, as_json: bool) -> None:
    """List the catalog and the installed models, and what this machine can do with each."""
    machine = this_machine()
    rows = model_rows(_paths().models, machine)
    if as_json:
        for row in rows:
            click.echo(json.dumps({"v": 1, **row}))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "licence", "context", "installed", "serves here", "trains here"):
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for row in rows:
        table.add_row(
            str(row["name"]),
            str(row["licence"]),
            str(row["context_length"] or "-"),
            format_bytes(int(str(row["size_bytes"]))) if row["size_bytes"] else "-",
            str(row["serving"]),
            str(row["training"]),
        )
    console = make_console()
    console.print(table)
    console.print(_footer(machine))


def _footer(machine: Machine) -> str:
    gpu = f"{format_bytes(machine.gpu)} on the GPU" if machine.gpu else "no GPU"
    return (
        f"This machine: {format_bytes(machine.ram)} of memory, {gpu}; a model may take"
        f" {format_bytes(usable(machine.ram))}. The sizes are the memory that is needed, weights as"
        f" Q4 or, as its processor computes, in {machine.numbers}."
        " Of the larger models `pull` fetches the whole weights; a Q4 GGUF file of your own needs"
        " about a third of bf16. Any local folder, GGUF file or hub id works as a name, too."
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
