"""The manifest in an adapter folder: lineage, hashes, experiences and settings."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from learning.errors import LearningError
from learning.model.catalog import ModelIdentity

MANIFEST = "elagent.json"
FORMAT_VERSION = 1
_LATEST_S = 250_000_000_000
"""The year 9892; `datetime` cannot show later times."""
_NAME = re.compile(r"el-[a-z0-9-]{1,40}-v\d{4,6}-[0-9a-f]{8}")


class AdapterError(LearningError):
    """An adapter cannot be used; the message says why and what to do."""


class AdapterMissingError(AdapterError):
    """The store has no adapter of that name."""


class AdapterDamagedError(AdapterError):
    """A file of the adapter is missing or differs from its digest in the manifest."""


class WrongBaseModelError(AdapterError):
    """The adapter was made for another base model, tokenizer or chat template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterManifest:
    """One immutable adapter. Its folder is plain PEFT with this manifest beside it."""

    name: str
    model: str
    """Name of the base model."""
    base: ModelIdentity
    parent: str | None
    """The adapter that training started from; None for the bare base model."""
    experience_ids: tuple[str, ...]
    config: Mapping[str, object]
    """The settings of the training job."""
    seed: int
    files: Mapping[str, str]
    """SHA-256 of every other file in the folder, by name."""
    created_at: float
    report: Mapping[str, object]
    """Figures of the training."""
    skipped_ids: tuple[str, ...] = ()
    """Experiences that were selected and could not be trained on."""

    decision: Mapping[str, object] = field(default_factory=dict)
    """Last decision of the gates, see `learning.promotion.gate.as_record`; empty before a trial."""
    shared_by: str = ""
    """The member of the team who made it; empty for an adapter of one's own."""
    decision_there: Mapping[str, object] = field(default_factory=dict)
    """The decision of the gates where it was made, for one that a team shared."""
    taught_files: tuple[str, ...] = ()
    """Files that its experiences showed or changed, for one that a team shared: they may not judge it."""
    taught_tests: tuple[str, ...] = ()
    """Tests that its experiences were about, for one that a team shared."""

    @property
    def digest(self) -> str:
        """SHA-256 of what never changes: the files' digests, the base model and the lineage."""
        fixed = (self.name, self.model, dataclasses.astuple(self.base), self.parent, self.seed)
        text = json.dumps([*fixed, self.experience_ids, sorted(self.files.items())])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def selected_ids(self) -> tuple[str, ...]:
        return (*self.experience_ids, *self.skipped_ids)

    @property
    def version(self) -> int:
        return version_of(self.name)


def adapter_prefix(repository: str, version: int) -> str:
    """The readable part of an adapter's name, before the digest of its weights."""
    readable = re.sub(r"[^a-z0-9]+", "-", repository.lower()).strip("-")[:32].strip("-")
    return f"el-{readable or 'repository'}-v{version:04d}"


def version_of(name: str) -> int:
    """The number in an adapter's name; 0 in a name that has none."""
    found = re.search(r"-v(\d{1,9})-[^-]*$", name)
    return int(found[1]) if found else 0


def is_adapter_name(name: str) -> bool:
    """True if the text has the form of an adapter's name, and so is safe as a folder name."""
    return _NAME.fullmatch(name) is not None


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file directly in the folder except the manifest, by name."""
    digests = {}
    for path in sorted(folder.iterdir()):
        if path.name != MANIFEST:
            with path.open("rb") as file:
                digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def write_manifest(folder: Path, manifest: AdapterManifest) -> None:
    """Write the manifest into an unfinished folder and flush all its files to the disk."""
    (folder / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")
    for path in (*folder.iterdir(), folder):
        sync(path)


def replace_manifest(folder: Path, manifest: AdapterManifest, *, temporary: Path) -> None:
    """Replace the manifest of a finished folder atomically."""
    temporary.write_text(manifest_text(manifest), encoding="utf-8")
    sync(temporary)
    temporary.replace(folder / MANIFEST)
    sync(folder)


def manifest_text(manifest: AdapterManifest) -> str:
    """The manifest as JSON, the form of its file."""
    return json.dumps({"v": FORMAT_VERSION, **dataclasses.asdict(manifest)}, indent=2) + "\n"


def read_manifest(folder: Path) -> AdapterManifest:
    """The manifest of an adapter folder.

    Raises:
        AdapterDamagedError: If it is missing, unreadable or of a newer version.
    """
    try:
        return parse_manifest((folder / MANIFEST).read_text(encoding="utf-8"), name=folder.name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise AdapterDamagedError(
            f"the manifest {folder / MANIFEST} of an adapter is damaged ({err}):"
            f" `elagent adapters rm {folder.name}` removes the adapter"
        ) from err


def parse_manifest(text: str, *, name: str) -> AdapterManifest:
    """The manifest that a text holds, of the adapter `name`.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, RecursionError: If it is none.
        AdapterDamagedError: If it is of a newer version.
    """
    record = json.loads(text)
    version = record.pop("v")
    if version != FORMAT_VERSION:
        raise AdapterDamagedError(f"adapter {name} was made by a newer elagent: update it")
    record["base"] = ModelIdentity(**record["base"])
    for ids in ("experience_ids", "skipped_ids"):
        record[ids] = tuple(record[ids])
    for names in ("taught_files", "taught_tests"):
        record[names] = tuple(record.get(names, ()))
    manifest = AdapterManifest(**record)
    _check(manifest)
    return manifest


def _check(manifest: AdapterManifest) -> None:
    """Raise an error if a field has another type or range than this program writes."""
    base = dataclasses.astuple(manifest.base)
    texts = (manifest.name, manifest.model, manifest.shared_by, manifest.parent or "", *base)
    "".join((*texts, *manifest.selected_ids, *manifest.files.values()))
    "".join((*manifest.taught_files, *manifest.taught_tests))
    tables = (manifest.config, manifest.report, manifest.decision, manifest.decision_there)
    for table in (*tables, manifest.files):
        table.keys()
    if not 0 <= manifest.created_at < _LATEST_S:
        raise ValueError("the time is not a number of seconds")


def sync(path: Path) -> None:
    """Flush a file or a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
