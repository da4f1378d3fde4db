"""The models of the catalog and of the person: needs of each, and uses of it on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.library.machine import Machine
from agent.text import format_bytes
from learning.model.catalog import CATALOG, InstalledModel, find, installed
from learning.model.needs import Host, serving, tokens_per_s, training, usable
from learning.model.resolve import disk_usage, remove as remove_model, resolve
from learning.model.sources.entries import ModelEntry
from learning.model.sources.fetch import pull as fetch_model

if TYPE_CHECKING:
    from learning.model.speed import DecodeSpeed

__all__ = [
    "fetch_model",
    "measured_speed",
    "model_rows",
    "place_of",
    "remove_model",
    "serve",
    "usable",
]


def measured_speed(models: Path) -> DecodeSpeed:
    """Measure for ten seconds how fast this machine decodes; loads an installed model.

    Raises:
        ModelError: If none is installed that could be measured, or it does not load.
    """
    from learning.model.speed import decode_speed, measurable

    return decode_speed(measurable(installed(models)))


def model_rows(
    models: Path, machine: Machine, speed: DecodeSpeed | None = None
) -> list[dict[str, object]]:
    """Describe each model of the catalog and each that is installed, as JSON data."""
    here = {model.name: model for model in installed(models)}
    names = [*(entry.name for entry in CATALOG), *(n for n in here if find(n) is None)]
    sizes = {name: disk_usage(name, models) if name in here else 0 for name in names}
    return [
        model_row(name, find(name), size=sizes[name], machine=machine)
        | _speed_row(find(name), here.get(name), speed)
        for name in names
    ]


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
    host = machine.host
    served, trained = serving(entry, host), training(entry, host)
    return row | {
        "summary": entry.summary,
        "download_bytes": entry.gguf_bytes,
        "fills_gaps": entry.fills_gaps,
        "thinking_switch": entry.thinking_switch,
        "serves": _word(served.fits),
        "trains": _word(trained.fits),
        "serve_bytes": served.need_bytes,
        "serve_context": served.context,
        "train_bytes": trained.need_bytes,
        "serving": _serving(entry, host),
        "training": _training(entry, machine),
    }


def _speed_row(
    entry: ModelEntry | None, here: InstalledModel | None, speed: DecodeSpeed | None
) -> dict[str, object]:
    """The speed to expect, where one was measured and the size of the file is known."""
    if speed is None:
        return {}
    size = entry.bytes_per_token if entry else _file_bytes(here)
    if not size:
        return {"tokens_per_s": None}
    expected = tokens_per_s(size, measured=speed.tokens_per_s, measured_bytes=speed.bytes_per_token)
    return {"tokens_per_s": float(f"{expected:.2g}")}


def _file_bytes(model: InstalledModel | None) -> int:
    return model.gguf.stat().st_size if model and model.gguf and model.gguf.is_file() else 0


def _serving(entry: ModelEntry, host: Host) -> str:
    """Word whether a model fits here, its memory, and the context that the engine would choose."""
    found = serving(entry, host)
    where = " GPU" if found.on_gpu else ""
    return f"{_word(found.fits)}: {format_bytes(found.need_bytes)}{where}, {_kibi(found.context)}"


def _training(entry: ModelEntry, machine: Machine) -> str:
    found = training(entry, machine.host)
    memory = format_bytes(found.need_bytes)
    if found.obstacle:
        return f"no: {found.obstacle}" + (f" ({memory})" if found.need_bytes else "")
    if found.four_bits:
        return f"yes: {memory} GPU, 4 bits" if found.fits else f"needs a CUDA GPU with {memory}"
    return f"{_word(found.fits)}: {memory} {'GPU' if found.on_gpu else machine.numbers}"


def _kibi(tokens: int) -> str:
    return f"{tokens // 1024}k context" if tokens >= 1024 else f"{tokens} tokens"  # noqa: PLR2004


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
    max_lora_rank: int | None = None,
    adapters: Sequence[tuple[str, Path]] = (),
) -> None:
    """Serve a model on loopback in this process until it is ended, with adapters by name and folder.

    Raises:
        ModelError: If the model or its engine cannot be loaded.
        NotInstalledError: If the engine is not installed, or no GPU is there for it.
    """
    from learning.model.server import serve as serve_here

    serve_here(
        model=model,
        models_dir=models,
        engine=engine,
        port=port,
        idle_s=idle_s,
        state_file=state_file,
        adapters=adapters,
        token=None,
        context_length=context_length,
        max_lora_rank=max_lora_rank,
    )
