"""`elagent models`: what can be served and trained here, and the disk it takes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

import click
from rich.table import Table

from agent.events import Progress, StageStarted
from agent.paths import Paths, from_environ
from learning.model.catalog import CATALOG, ModelEntry, find, fit, installed, usable
from learning.model.fetch import pull as fetch_model
from learning.model.processor import computes_bf16
from learning.model.resolve import disk_usage, remove as remove_model, resolve
from tui.machine import gpu_memory_bytes, memory_bytes
from tui.plain import TextPresenter, format_bytes, make_console


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is for models."""

    ram: int
    gpu: int
    bf16: bool

    @property
    def numbers(self) -> str:
        """What weights are held in where they are not quantised."""
        return "bf16" if self.bf16 else "float32"


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
    machine = Machine(ram=memory_bytes(), gpu=gpu_memory_bytes(), bf16=computes_bf16())
    rows = []
    for name in names:
        size = disk_usage(name, _paths().models) if name in here else 0
        rows.append(model_row(name, find(name), size=size, machine=machine))
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


def model_row(
    name: str, entry: ModelEntry | None, *, size: int, machine: Machine
) -> dict[str, object]:
    row: dict[str, object] = {
        "name": name,
        "licence": entry.licence if entry else "-",
        "context_length": entry.context_length if entry else None,
        "size_bytes": size,
    }
    if entry is None:
        return row | {"serves": "-", "trains": "-", "serving": "-", "training": "-"}
    can = fit(entry, ram_bytes=machine.ram, gpu_bytes=machine.gpu, bf16=machine.bf16)
    return row | {
        "serves": _word(can.serve),
        "trains": _word(can.train),
        "serve_bytes": entry.serve_bytes(gpu=False, bf16=machine.bf16),
        "serve_q4_bytes": entry.serve_q4_bytes,
        "train_bytes": entry.train_bytes(bf16=machine.bf16),
        "serving": _serving(entry, machine, can=can.serve),
        "training": _training(entry, machine, can=can.train),
    }


def _serving(entry: ModelEntry, machine: Machine, *, can: bool) -> str:
    """How it is served here and what that takes; where it is not, what is missing."""
    in_ram = entry.serve_bytes(gpu=False, bf16=machine.bf16)
    if can and in_ram <= usable(machine.ram):
        return f"yes: {format_bytes(in_ram)} {'Q4' if entry.parts else machine.numbers}"
    if can:
        return f"yes: {format_bytes(entry.serve_bytes(gpu=True))} GPU"
    fits = entry.serve_q4_bytes <= usable(machine.ram)
    return (
        f"{'own Q4' if fits else 'no'}: {format_bytes(entry.serve_q4_bytes)}{'' if fits else ' Q4'}"
    )


def _training(entry: ModelEntry, machine: Machine, *, can: bool) -> str:
    in_ram = entry.train_bytes(bf16=machine.bf16)
    if can and in_ram <= usable(machine.ram):
        return f"yes: {format_bytes(in_ram)} {machine.numbers}"
    if can:
        return f"yes: {format_bytes(entry.train_bytes(bf16=True))} GPU"
    return f"no: {format_bytes(in_ram)} {machine.numbers}"


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
