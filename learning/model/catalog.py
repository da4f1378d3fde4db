"""The catalog of models that elagent knows by name, and the form of an installed model.

Data only: nothing here downloads, converts or loads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from learning.model.engine import LocalModelError
from learning.model.sources.entries import ModelEntry
from learning.model.sources.hub_models import HUB_MODELS
from learning.model.sources.index_models import INDEX_MODELS

MANIFEST = "manifest.json"
CATALOG: tuple[ModelEntry, ...] = (*INDEX_MODELS, *HUB_MODELS)


class ModelNotFoundError(LocalModelError):
    """No model goes by that name or path; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """Digests that tie an adapter to its base model. Two models are the same if all three are equal."""

    weights_sha256: str
    tokenizer_sha256: str
    template_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """A model on this disk. At least one of `gguf` and `hf` is there; `hf` has the tokenizer."""

    name: str
    gguf: Path | None
    hf: Path | None
    context_length: int
    identity: ModelIdentity


def find(name: str) -> ModelEntry | None:
    """The catalog entry of that name or hub id."""
    return next((entry for entry in CATALOG if name in (entry.name, entry.hub_id)), None)


def write_manifest(
    folder: Path,
    model: InstalledModel,
    *,
    licence: str,
    hub_id: str,
    source: Mapping[str, str] | None = None,
) -> None:
    """Describe the model in `folder`; its files are named relative to it, a foreign one in full.

    `source` says where its files came from: repositories, commits and digests.
    """
    gguf = model.gguf
    record: dict[str, object] = {
        "version": 1,
        "name": model.name,
        "gguf": (gguf.name if gguf.parent == folder else str(gguf)) if gguf else None,
        "hf": model.hf.name if model.hf else None,
        "context_length": model.context_length,
        "licence": licence,
        "hub_id": hub_id,
        "weights_sha256": model.identity.weights_sha256,
        "tokenizer_sha256": model.identity.tokenizer_sha256,
        "template_sha256": model.identity.template_sha256,
    }
    if source:
        record["source"] = dict(source)
    (folder / MANIFEST).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> InstalledModel | None:
    """The model that `folder` holds, or None where there is none or its manifest is damaged."""
    try:
        record = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        identity = ModelIdentity(
            weights_sha256=str(record["weights_sha256"]),
            tokenizer_sha256=str(record["tokenizer_sha256"]),
            template_sha256=str(record["template_sha256"]),
        )
        return InstalledModel(
            name=str(record["name"]),
            gguf=folder / record["gguf"] if record["gguf"] else None,
            hf=folder / record["hf"] if record["hf"] else None,
            context_length=int(record["context_length"]),
            identity=identity,
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def installed(models_dir: Path) -> Sequence[InstalledModel]:
    """Every model in `models_dir`, by name. Unfinished downloads do not count."""
    folders = sorted(models_dir.iterdir()) if models_dir.is_dir() else []
    found = (read_manifest(folder) for folder in folders if not folder.name.startswith("."))
    return [model for model in found if model is not None]


def sha256_file(path: Path) -> str:
    """Digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
