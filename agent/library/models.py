"""The models of the catalog and of the person: what each needs, and what this machine can do."""

from __future__ import annotations

from pathlib import Path

from agent.library.machine import Machine
from agent.text import format_bytes
from learning.model.catalog import CATALOG, ModelEntry, find, fit, installed, usable
from learning.model.fetch import pull as fetch_model
from learning.model.resolve import disk_usage, remove as remove_model, resolve

__all__ = ["fetch_model", "model_rows", "place_of", "remove_model", "serve", "usable"]


def model_rows(models: Path, machine: Machine) -> list[dict[str, object]]:
    """Describe each model of the catalog and each that is installed, as JSON data."""
    here = {model.name: model for model in installed(models)}
    names = [*(entry.name for entry in CATALOG), *(n for n in here if find(n) is None)]
    sizes = {name: disk_usage(name, models) if name in here else 0 for name in names}
    return [model_row(name, find(name), size=sizes[name], machine=machine) for name in names]


def place_of(name: str, models: Path) -> Path:
    """Return where a model is: its GGUF file, else its folder.

    Raises:
        ModelError: If it is not installed.
    """
    model = resolve(name, models)
    found = model.gguf or model.hf
    assert found is not None  # noqa: S101 - an installed model has one of them
    return found


def model_row(
    name: str, entry: ModelEntry | None, *, size: int, machine: Machine
) -> dict[str, object]:
    """Describe one model as JSON data."""
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
    """Name the engine that serves it here and its needs; where none does, what is missing."""
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


def serve(
    *,
    model: str,
    models: Path,
    engine: str,
    port: int,
    idle_s: float,
    state_file: Path | None,
    context_length: int | None,
) -> None:
    """Serve a model on loopback in this process until it is ended.

    Raises:
        ModelError: If the model or its engine cannot be loaded.
    """
    from learning.model.server import serve as serve_here

    serve_here(
        model=model,
        models_dir=models,
        engine=engine,
        port=port,
        idle_s=idle_s,
        state_file=state_file,
        adapters=(),
        token=None,
        context_length=context_length,
    )
