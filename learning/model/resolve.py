"""Finds the model on this disk that a name, a hub id, a folder or a .gguf file stands for.

Fetches nothing. The first time, the tokenizer of a foreign .gguf file is read into the models folder.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from learning.model import catalog
from learning.model.catalog import InstalledModel, ModelNotFoundError, sha256_file
from learning.model.convert import Progress, convert_for_serving
from learning.model.identity import describe
from learning.model.sources import hub
from learning.model.sources.fetch import unknown_model
from learning.model.sources.wheels import size_of
from learning.model.weights import count_weights


def resolve(
    name_or_path: str,
    models_dir: Path,
    *,
    on_progress: Progress = lambda _what, _done, _total: None,
) -> InstalledModel:
    """The installed model that the text means. A path must exist and wins only if it is one.

    Raises:
        ModelNotFoundError: If nothing goes by that name, or the model is not fetched yet.
        LocalModelError: If the folder or file is not a usable model.
    """
    if model := _by_name(name_or_path, models_dir):
        return model
    path = Path(name_or_path).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return _from_gguf(path.resolve(), models_dir, on_progress)
    if (path / "config.json").is_file():
        return _from_folder(path.resolve(), models_dir)
    entry = catalog.find(name_or_path)
    if entry or (hub.is_hub_id(name_or_path) and not path.exists()):
        raise ModelNotFoundError(
            f"The model {name_or_path} is not on this machine yet; "
            f"fetch it with `elagent models pull {entry.name if entry else name_or_path}`."
        )
    if path.exists():
        raise ModelNotFoundError(
            f"{path} is neither a model folder (config.json) nor a .gguf file."
        )
    raise unknown_model(name_or_path)


def disk_usage(name: str, models_dir: Path) -> int:
    """Bytes that an installed or half-fetched model takes."""
    folder = _folder(name, models_dir)
    return size_of(folder) + size_of(folder.with_name(f".partial-{folder.name}"))


def remove(name: str, models_dir: Path) -> int:
    """Delete a model and what is left of unfinished downloads of it; the bytes that were freed.

    Raises:
        ModelNotFoundError: If there is nothing by that name in the models folder.
    """
    folder = _folder(name, models_dir)
    partial = folder.with_name(f".partial-{folder.name}")
    freed = disk_usage(name, models_dir)
    if not folder.is_dir() and not partial.is_dir():
        raise ModelNotFoundError(f"There is no model called {name!r} in {models_dir}.")
    # Without its manifest a folder is not a model: an interrupted removal leaves no half of one.
    (folder / catalog.MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(partial, ignore_errors=True)
    return freed


def _folder(name: str, models_dir: Path) -> Path:
    entry = catalog.find(name)
    return models_dir / (entry.name if entry else hub.folder_name(name))


def _by_name(name: str, models_dir: Path) -> InstalledModel | None:
    if catalog.find(name) is None and not hub.is_hub_id(name) and "/" in name:
        return None
    return catalog.read_manifest(_folder(name, models_dir))


def _from_folder(path: Path, models_dir: Path) -> InstalledModel:
    """A model folder of the user. Its weights are hashed once for each state of its files."""
    state = "".join(
        f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}\n"
        for file in sorted(path.iterdir())
        if file.is_file()
    )
    key = hashlib.sha256(f"{path}\n{state}".encode()).hexdigest()[:16]
    cache = models_dir / ".identities" / key
    known = catalog.read_manifest(cache)
    model = describe(
        name=path.name,
        gguf=None,
        gguf_sha256=known.identity.weights_sha256 if known else "",
        hf=path,
    )
    if known is None:
        cache.mkdir(parents=True, exist_ok=True)
        catalog.write_manifest(cache, model, licence="", hub_id="")
    return model


def _from_gguf(path: Path, models_dir: Path, on_progress: Progress) -> InstalledModel:
    """A GGUF file of the user: served where it lies, its tokenizer read beside our own models."""
    on_progress("checking", 0, 0)
    digest = sha256_file(path)
    for model in catalog.installed(models_dir):
        same = model.identity.weights_sha256 == digest
        if same and model.gguf and model.gguf.is_file():  # a foreign file may have been moved
            return model
    folder = models_dir / f"{hub.folder_name(path.stem)}-{digest[:8]}"
    if not (folder / "hf").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        convert_for_serving(path, folder / "hf", on_progress=on_progress)
        count_weights(path, folder / "hf")
    model = describe(name=folder.name, gguf=path, gguf_sha256=digest, hf=folder / "hf")
    catalog.write_manifest(folder, model, licence="", hub_id="")
    return model
