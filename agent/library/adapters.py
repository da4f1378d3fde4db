"""The adapters of one repository, as their owner sees, uses and removes them."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ConfigError
from agent.library.place import Library
from agent.library.rounds import JudgedRound, rounds_of
from agent.paths import RepositoryPaths
from learning.experience.store import ExperienceStore
from learning.model.catalog import sha256_file
from learning.model.lora_export import export_gguf
from learning.model.resolve import resolve
from learning.promotion.adapters import AdapterError, AdapterManifest, AdapterStore
from learning.promotion.gate import from_record, in_words
from learning.promotion.lineage import made_from, tainted
from learning.promotion.manifest import adapter_prefix, is_adapter_name
from learning.promotion.report import LearningReport, html_report, terminal_report, unseen_in_words
from learning.promotion.weakening import weakened

BASE = "base"
_VERSION = re.compile(r"v\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRow:
    """One adapter in a list."""

    name: str
    created_at: float
    """Seconds since the epoch."""
    parent: str
    """The adapter that it was trained from; empty for the bare model."""
    model: str
    experiences: tuple[str, ...]
    state: str
    """`in use`, `in shadow` or `rejected`, and that it is tainted if it is."""
    in_use: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterList:
    """All adapters, oldest first, and what is wrong with those that cannot be read."""

    rows: tuple[AdapterRow, ...]
    trouble: tuple[str, ...]


def list_adapters(library: Library) -> AdapterList:
    """Read all adapters of the repository; what is damaged is named, not raised.

    Raises:
        StoreError: If the experiences cannot be read.
    """
    store = _store(library)
    trouble = tuple(store.trouble())
    try:
        active = store.active()
    except AdapterError:
        active = None
    spoilt = _tainted_names(library, store)
    rows = tuple(
        AdapterRow(
            name=row.name,
            created_at=row.created_at,
            parent=row.parent or "",
            model=row.model,
            experiences=tuple(row.experience_ids),
            state=_state(row, active, tainted=row.name in spoilt),
            in_use=active is not None and active.name == row.name,
        )
        for row in store.list()
    )
    return AdapterList(rows=rows, trouble=trouble)


def describe(library: Library, name: str) -> Iterator[str]:
    """Yield the lineage, the settings and the gates of one adapter, a line each.

    Raises:
        AdapterError: If it is missing or damaged.
    """
    store = _store(library)
    name = store.find(name)
    manifest = store.get(name)
    yield from (manifest.name, f"folder: {store.path(name)}", f"model: {manifest.model}")
    yield f"parent: {manifest.parent or 'the bare base model'}"
    if manifest.shared_by:
        yield f"shared by {manifest.shared_by}, where it was judged so:"
        yield from (f"  {line}" for line in in_words(from_record(manifest.decision_there)))
    yield f"seed: {manifest.seed}"
    yield f"experiences: {', '.join(manifest.experience_ids)}"
    for title, values in (("config", manifest.config), ("report", manifest.report)):
        yield f"{title}:"
        yield from (f"  {key}: {value}" for key, value in values.items())
    if unseen := unseen_in_words(manifest.report):
        yield unseen
    yield "gates:" if manifest.decision else "gates: it was not tried yet"
    if manifest.decision:
        yield from (f"  {line}" for line in in_words(from_record(manifest.decision)))


def difference(library: Library, name: str, other: str | None) -> Iterator[str]:
    """Yield the experiences and settings in which two adapters differ; without `other` the parent.

    Raises:
        AdapterError: If one is missing or damaged.
    """
    store = _store(library)
    name = store.find(name)
    manifest = store.get(name)
    against = store.find(other) if other and other != BASE else other or manifest.parent
    known = against if against and against != BASE else ""
    before = made_from(store, known) if known else frozenset()
    after = made_from(store, name)
    yield f"{name} beside {against or 'the bare base model'}"
    for sign, ids in (("+", after - before), ("-", before - after)):
        yield from (f"{sign} experience {id_}" for id_ in sorted(ids))
    old = store.get(known).config if known else {}
    for key, value in manifest.config.items():
        if old and old.get(key) != value:
            yield f"  {key}: {old.get(key)} -> {value}"


def export(library: Library, name: str, target: Path) -> None:
    """Write an adapter to a new place: a PEFT folder, or a GGUF file where it ends in `.gguf`.

    Raises:
        ConfigError: If the place is taken, or the model has no folder to read from.
        AdapterError: If the adapter is missing or damaged.
    """
    store = _store(library)
    name = store.find(name)
    manifest = store.get(name)
    store.verify(name, base=manifest.base)
    if target.exists():
        raise ConfigError(f"{target} is there already: name another one")
    if target.suffix != ".gguf":
        shutil.copytree(store.path(name), target)
        return
    model = resolve(manifest.model, library.models)
    if model.hf is None:
        raise ConfigError(f"{model.name} has no folder to read the architecture from")
    export_gguf(store.path(name), model.hf, target)


def use(library: Library, name: str) -> str:
    """Use an adapter from the next reply on and return its name; `base` is the bare model, named "".

    Raises:
        LearningError: If there is no such adapter, or it does not fit the model.
    """
    store = _store(library)
    if name == BASE:
        store.deactivate()
        return ""
    model = resolve(library.model, library.models)
    return store.activate(store.find(name), base=model.identity).name


def roll_back(library: Library) -> str:
    """Go back to what was in use before; return its name, "" for the bare model.

    Raises:
        AdapterError: If a manifest is damaged.
    """
    manifest = _store(library).rollback()
    return manifest.name if manifest else ""


def remove(library: Library, name: str) -> str:
    """Delete an adapter that is not in use, and return its whole name; a beginning of one is not enough here.

    Raises:
        AdapterError: If it is in use or missing.
    """
    store = _store(library)
    if _VERSION.fullmatch(name):
        name = store.find(name)
    store.remove(name)
    return name


def weaken(library: Library, name: str, strength: float, *, repository: str) -> str:
    """Add a weaker copy of an adapter, which is not in use; its name. `repository` is for people, in that name.

    Raises:
        AdapterError: If the adapter is missing or damaged.
    """
    store = _store(library)
    prefix = adapter_prefix(repository, store.next_version())
    return weakened(store, store.find(name), prefix=prefix, strength=strength).name


def named_folder(repository: RepositoryPaths, name: str) -> tuple[str, Path]:
    """Name and folder of an adapter of the repository, or of a folder that is given instead.

    Raises:
        AdapterError: If there is no such adapter.
    """
    folder = Path(name).expanduser()
    if (folder / "adapter_config.json").is_file():
        if not (folder / "adapter_model.safetensors").is_file():
            raise AdapterError(
                f"{folder} has no adapter_model.safetensors: no other form of weights is read"
            )
        return _name_of(folder.resolve()), folder.resolve()
    store = AdapterStore(repository.adapters)
    name = store.find(name)
    return name, store.path(name)


def _name_of(folder: Path) -> str:
    """A name that no other weights have, nor the same at another strength: results are taken up again by it."""
    if is_adapter_name(folder.name):
        return folder.name
    files = (folder / "adapter_model.safetensors", folder / "adapter_config.json")
    digest = hashlib.sha256("".join(map(sha256_file, files)).encode()).hexdigest()
    return f"{folder.name}-{digest[:8]}"


def lineage(library: Library) -> tuple[str, ...]:
    """Names from the adapter in use back to the first one; empty for the bare model."""
    store = AdapterStore(library.repository.adapters)
    by_name = {row.name: row for row in store.list()}
    active = store.active()
    names: list[str] = []
    at = active.name if active else None
    while at is not None and at not in names:
        names.append(at)
        row = by_name.get(at)
        at = row.parent if row else None
    return tuple(names)


def rounds(library: Library) -> tuple[JudgedRound, ...]:
    """Return the rounds of every adapter that is there as the gates judged them, oldest first."""
    return rounds_of(AdapterStore(library.repository.adapters).list())


def newest(library: Library) -> str:
    """The name of the adapter that was made last; empty if there is none."""
    made = AdapterStore(library.repository.adapters).list()
    return made[-1].name if made else ""


def report_lines(library: Library, name: str) -> list[str]:
    """Return what an adapter learned, from what, and how the round went, a line each.

    Raises:
        AdapterError: If it is missing or damaged.
        StoreError: If the experiences cannot be read.
    """
    return list(terminal_report(_learned(library, name)))


def report_page(library: Library, name: str) -> str:
    """Return what an adapter learned as one HTML page with plots.

    Raises:
        AdapterError: If it is missing or damaged.
        StoreError: If the experiences cannot be read.
    """
    return html_report(_learned(library, name))


def _learned(library: Library, name: str) -> LearningReport:
    store = AdapterStore(library.repository.adapters)
    name = store.find(name)
    manifest = store.get(name)
    with ExperienceStore.open(library.repository.experiences) as experiences:
        forgotten = experiences.forgotten()
        found = [experiences.get(id_) for id_ in manifest.experience_ids]
    return LearningReport(
        manifest=manifest,
        examples=[each for each in found if each is not None],
        forgotten=len(made_from(store, name) & forgotten),
        decision=from_record(manifest.decision),
    )


def _store(library: Library) -> AdapterStore:
    store = AdapterStore(library.repository.adapters)
    if library.repository.adapters.is_dir():
        store.sweep()
    return store


def _tainted_names(library: Library, store: AdapterStore) -> frozenset[str]:
    """Adapters that something forgotten had a part in."""
    if not library.repository.experiences.exists():
        return frozenset()
    with ExperienceStore.open(library.repository.experiences) as experiences:
        forgotten = experiences.forgotten()
    return frozenset(manifest.name for manifest in tainted(store, forgotten))


def _state(row: AdapterManifest, active: AdapterManifest | None, *, tainted: bool) -> str:
    if active is not None and active.name == row.name:
        state = "in use"
    else:
        state = "rejected" if row.decision.get("kind") == "rejected" else "in shadow"
    return f"{state}, tainted: made from something forgotten" if tainted else state
