"""A model of the hub that is served from one GGUF file, without the rest of any repository.

The file comes from the repository that quantised it; tokenizer, template and configuration, a few
megabytes, come from the original one, as their authors wrote them. Weights for training are made from
the file when they are first needed (`weights`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from learning.model.convert import Progress
from learning.model.sources.entries import HubFile, ModelEntry
from learning.model.sources.hub_file import Hub, HubRequest, MissingFileError, Offered
from learning.model.sources.wheels import FetchError, NoSpaceError, size_of
from learning.model.weights import count_weights

_NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json")
_POSSIBLE = ("chat_template.jinja", "generation_config.json")
_SHA256_LENGTH = 64
_SLACK_BYTES = 64 * 1024**2


def fetch_from_hub(
    entry: ModelEntry,
    file: HubFile,
    *,
    gguf: Path,
    hf: Path,
    on_progress: Progress,
    environ: Mapping[str, str],
    free_bytes: Callable[[Path], int],
) -> Mapping[str, str]:
    """Bring the file to `gguf` and what serving needs beside it to `hf`; the origin of both.

    The small files come first: what the person may not have is refused before gigabytes are fetched.
    Unfinished files stay for the next call, which takes them up.

    Raises:
        FetchError: If the hub, the network, the disk or the content is at fault.
    """
    hub = Hub.of(environ)
    wanted = HubRequest(
        repository=file.repository, name=file.name, commit=file.commit, sha256=file.sha256
    )
    on_progress(f"asking {hub.endpoint} for {file.name}", 0, 0)
    offered = hub.offer(wanted)
    if len(offered.digest) != _SHA256_LENGTH:
        raise FetchError(f"The hub names no SHA-256 for {wanted}; give a file of your own instead.")
    _check_space(entry, gguf.parent, offered, free_bytes)
    on_progress("downloading the tokenizer", 0, 0)
    commit = _fetch_small(hub, entry.hub_id, hf)
    hub.fetch(
        wanted,
        offered,
        gguf,
        on_bytes=lambda done: on_progress("downloading", done, offered.size_bytes),
    )
    on_progress("reading the file", 0, 0)
    count_weights(gguf, hf)
    return {
        "hub": hub.endpoint,
        "repository": file.repository,
        "file": file.name,
        "commit": offered.commit,
        "sha256": offered.digest,
        "tokenizer_repository": entry.hub_id,
        "tokenizer_commit": commit,
    }


def _fetch_small(hub: Hub, repository: str, hf: Path) -> str:
    """Fetch what serving needs of the original model, all of one commit, which is returned."""
    hf.mkdir(exist_ok=True)
    commit = ""
    for name in (*_NEEDED, *_POSSIBLE):
        wanted = HubRequest(repository=repository, name=name, commit=commit)
        try:
            offered = hub.offer(wanted)
        except MissingFileError:
            if name in _NEEDED:
                raise
            continue
        commit = offered.commit
        hub.fetch(wanted, offered, hf / name, on_bytes=lambda _: None)
    return commit


def _check_space(
    entry: ModelEntry, folder: Path, offered: Offered, free_bytes: Callable[[Path], int]
) -> None:
    needed = max(0, offered.size_bytes - size_of(folder)) + _SLACK_BYTES
    free = free_bytes(folder)
    if free < needed:
        raise NoSpaceError(
            f"{entry.name} needs {needed / 1e9:.1f} GB of free space in {folder.parent}, but "
            f"{free / 1e9:.1f} GB are free; free some space or move the models with ELAGENT_HOME."
        )
