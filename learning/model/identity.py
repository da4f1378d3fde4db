"""Identifies a model folder by digests, and checks that an adapter was made for it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from learning.model.catalog import InstalledModel, ModelIdentity, sha256_file
from learning.model.chat import ChatFormat
from learning.model.engine import AdapterMismatchError, EngineError, LocalModelError

ADAPTER_MANIFEST = "elagent.json"
_PARTS = {
    "weights_sha256": "base weights",
    "tokenizer_sha256": "tokenizer",
    "template_sha256": "chat template",
}


def describe(*, name: str, gguf: Path | None, gguf_sha256: str, hf: Path) -> InstalledModel:
    """Read a model folder; `gguf_sha256` stands for the weights where a GGUF file is served.

    Raises:
        LocalModelError: If the folder has no configuration, tokenizer, template or weights, or brings
            code of its own.
    """
    refuse_code(hf)
    chat = ChatFormat.load(hf)
    identity = ModelIdentity(
        weights_sha256=gguf_sha256 or weights_digest(hf),
        tokenizer_sha256=chat.tokenizer_sha256,
        template_sha256=chat.template_sha256,
    )
    return InstalledModel(
        name=name, gguf=gguf, hf=hf, context_length=context_length(hf), identity=identity
    )


def refuse_code(hf: Path) -> None:
    """Refuse a model folder whose configuration names Python code to be run (`auto_map`).

    Raises:
        LocalModelError: If one does. Such code is never run and nobody is asked to allow it.
    """
    for name in ("config.json", "tokenizer_config.json", "generation_config.json"):
        try:
            config = json.loads((hf / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(config, dict) and config.get("auto_map"):
            raise LocalModelError(
                f"{hf} brings Python code of its own (auto_map in {name}), which elagent never "
                "runs; choose a model whose architecture transformers knows."
            )


def context_length(hf: Path) -> int:
    """Largest number of tokens the model was made for."""
    try:
        config = json.loads((hf / "config.json").read_text(encoding="utf-8"))
        return int(config.get("text_config", config)["max_position_embeddings"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise LocalModelError(
            f"{hf} is not a model folder: config.json names no context length."
        ) from err


def weights_digest(hf: Path) -> str:
    """One digest over all safetensors files, by name and content."""
    files = sorted(hf.glob("*.safetensors"))
    if not files:
        raise LocalModelError(f"{hf} has no *.safetensors weights: not a usable model folder.")
    lines = "".join(f"{sha256_file(path)}  {path.name}\n" for path in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def check_adapter_files(folder: Path) -> None:
    """Refuse a folder that lacks a file of an adapter, or has something else in its place.

    Raises:
        EngineError: The message names the file.
    """
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        try:
            is_file = (folder / name).is_file()
        except OSError as err:
            raise EngineError(f"{name} of the adapter cannot be read: {err.strerror}.") from err
        if not is_file:
            raise EngineError(f"{folder} is not an adapter folder: {name} is missing.")


def check_adapter(folder: Path, identity: ModelIdentity) -> None:
    """Refuse an adapter that was not made for exactly this model.

    Raises:
        AdapterMismatchError: If a digest differs; the message says which.
        EngineError: If the folder is not an adapter, or does not say what it was made for.
    """
    check_adapter_files(folder)
    try:
        base = json.loads((folder / ADAPTER_MANIFEST).read_text(encoding="utf-8"))["base"]
        claimed = {part: str(base[part]) for part in _PARTS}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
        raise EngineError(
            f"{folder} does not say which base model it was made for "
            f"({ADAPTER_MANIFEST} is missing or damaged); it is not used."
        ) from err
    for part, meaning in _PARTS.items():
        if claimed[part] != getattr(identity, part):
            raise AdapterMismatchError(
                f"The adapter {folder.name} was made for another model: its {meaning} "
                f"({claimed[part][:12]}) is not the one served ({getattr(identity, part)[:12]}). "
                "Train a new one with `elagent learn`."
            )
