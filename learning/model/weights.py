"""The weights that training reads: where they are, how many there are, and making them when needed.

A model whose own folder has weights is trained from there, as every folder of earlier versions. One that
is served from a GGUF file alone gets them in a second folder beside it, made at its first training.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from pathlib import Path

from learning.model.catalog import InstalledModel, sha256_file
from learning.model.convert import ConvertError, Progress, convert_weights
from learning.model.gguf_file import GgufError, read_header

Unpack = Callable[[Path, Path, Path, Progress], None]
"""Writes the weights of a file to a folder, with the tokenizer of another folder."""
_FOLDER = "weights"
_COUNT = "weights.json"


def has_weights(folder: Path) -> bool:
    """True if the folder has weights that torch reads."""
    return any(folder.glob("*.safetensors"))


def training_folder(model: InstalledModel) -> Path:
    """The folder that training reads; `ensure_weights` makes it where it is not there yet.

    Raises:
        ConvertError: If the model has no folder at all.
    """
    if model.hf is None:
        raise ConvertError(
            f"{model.name} cannot be trained: only its GGUF file is here. Remove it and pull it again."
        )
    if model.gguf is None or has_weights(model.hf):
        return model.hf
    return model.hf.parent / _FOLDER


def is_packed(model: InstalledModel) -> bool:
    """True for a model that is served from its GGUF file and whose weights were never unpacked."""
    return bool(model.gguf and model.hf) and not has_weights(training_folder(model))


def _unpack(gguf: Path, out: Path, like: Path, on_progress: Progress) -> None:
    convert_weights(gguf, out, like=like, on_progress=on_progress)


def ensure_weights(
    model: InstalledModel, *, on_progress: Progress, unpack: Unpack = _unpack
) -> Path:
    """The folder that training reads, with its weights; made from the GGUF file if need be.

    Made completely or not at all, by one process at a time. The file must still be the one that was
    installed: its digest is that of the identity, which adapters are tied to.

    Raises:
        ConvertError: If the file is gone or changed, or cannot be unpacked.
        NotInstalledError: If weights are to be unpacked without the extra `learn`.
    """
    folder = training_folder(model)
    if has_weights(folder) or model.gguf is None or model.hf is None:
        return folder
    with (folder.parent / ".lock-weights").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if has_weights(folder):  # another process made them meanwhile
            return folder
        on_progress(f"checking {model.gguf.name}", 0, 0)
        if not model.gguf.is_file() or sha256_file(model.gguf) != model.identity.weights_sha256:
            raise ConvertError(
                f"{model.gguf} is gone or has changed since {model.name} was installed; remove the model"
                " and fetch it again."
            )
        unpack(model.gguf, folder, model.hf, on_progress)
    return folder


def count_weights(gguf: Path, hf: Path) -> None:
    """Note the number of weights of a file in the folder that serves it, for plans of training.

    Raises:
        ConvertError: If the file is not a GGUF file.
    """
    try:
        count = read_header(gguf).weights
    except GgufError as err:
        raise ConvertError(f"{gguf.name} is not a readable GGUF file: {err}.") from err
    (hf / _COUNT).write_text(json.dumps({"weights": count}) + "\n", encoding="utf-8")


def counted_weights(folder: Path) -> int | None:
    """The number that `count_weights` noted; None where there is none."""
    try:
        return int(json.loads((folder / _COUNT).read_text(encoding="utf-8"))["weights"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
