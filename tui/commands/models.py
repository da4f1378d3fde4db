"""`elagent models`: what can be served and trained here, and the disk it takes."""

from __future__ import annotations

import json
import os

import click
from rich.table import Table

from agent.events import Progress, StageStarted
from agent.paths import Paths, from_environ
from learning.model.catalog import CATALOG, ModelEntry, find, fit, installed
from learning.model.fetch import pull as fetch_model
from learning.model.processor import computes_bf16
from learning.model.resolve import disk_usage, remove as remove_model, resolve
from tui.machine import gpu_memory_bytes, memory_bytes
from tui.plain import TextPresenter, format_bytes, make_console


@click.group(help="Show, fetch or remove models.")
def models() -> None:
    pass


def _paths() -> Paths:
    return from_environ(os.environ)


@models.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_models(*, as_json: bool) -> None:
    """The catalog, what is installed, and what this machine can do with each."""
    here = {model.name: model for model in installed(_paths().models)}
    names = [*(entry.name for entry in CATALOG), *(n for n in here if find(n) is None)]
    ram, gpu = memory_bytes(), gpu_memory_bytes()
    rows = []
    for name in names:
        size = disk_usage(name, _paths().models) if name in here else 0
        rows.append(_row(name, find(name), size=size, ram=ram, gpu=gpu))
    if as_json:
        for row in rows:
            click.echo(json.dumps({"v": 1, **row}))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "licence", "context", "installed", "serves here", "trains here"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            str(row["name"]),
            str(row["licence"]),
            str(row["context_length"] or "-"),
            format_bytes(int(str(row["size_bytes"]))) if row["size_bytes"] else "-",
            str(row["serves"]),
            str(row["trains"]),
        )
    console = make_console()
    console.print(table)
    console.print(
        f"This machine: {format_bytes(ram)} of memory,"
        f" {format_bytes(gpu) + ' on the GPU' if gpu else 'no GPU'}."
        " Any local folder, GGUF file or hub id works as a name, too."
    )


def _row(
    name: str, entry: ModelEntry | None, *, size: int, ram: int, gpu: int
) -> dict[str, object]:
    can = fit(entry, ram_bytes=ram, gpu_bytes=gpu, bf16=computes_bf16()) if entry else None
    return {
        "name": name,
        "licence": entry.licence if entry else "-",
        "context_length": entry.context_length if entry else None,
        "size_bytes": size,
        "serves": _word(can.serve) if can else "-",
        "trains": _word(can.train) if can else "-",
    }


def _word(yes: bool) -> str:
    return "yes" if yes else "no"


@models.command("pull")
@click.argument("name")
def pull(*, name: str) -> None:
    """Fetch, verify and convert a model; a second time it only says where it is."""
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
    """Print where a model is."""
    model = resolve(name, _paths().models)
    click.echo(model.gguf or model.hf)


@models.command("rm")
@click.argument("name")
def remove(*, name: str) -> None:
    """Delete an installed model."""
    freed = remove_model(name, _paths().models)
    click.echo(f"removed {name}: {format_bytes(freed)} freed")
