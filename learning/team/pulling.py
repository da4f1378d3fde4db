"""Fetches adapters of the team as untried ones, and stops using those that became tainted."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from learning.experience.store import ExperienceStore
from learning.promotion.adapters import AdapterError, AdapterStore
from learning.promotion.lineage import lineage, tainted
from learning.promotion.manifest import write_manifest
from learning.team.bucket import Bucket
from learning.team.errors import TeamError
from learning.team.reading import check_settings
from learning.team.store import TeamStore
from learning.team.values import SharedAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """An adapter that is no longer used, because something forgotten had a part in it."""

    name: str
    instead: str
    """The adapter that is used now; empty for the bare base model."""


def trouble_with_name(adapters: AdapterStore, shared: SharedAdapter) -> str:
    """The sentence that another adapter has the name of a shared one here; empty if none has."""
    try:
        found = adapters.remembered(shared.name)
    except AdapterError:
        return ""
    if found.digest == shared.digest:
        return ""
    return (
        f"another adapter is named {shared.name} here, so that of {shared.member} is not fetched:"
        " `elagent adapters rm` removes yours"
    )


def fetch(
    shared: SharedAdapter,
    store: TeamStore,
    bucket: Bucket,
    adapters: AdapterStore,
    *,
    scratch: Path,
) -> None:
    """Fetch one adapter into the repository, where it waits for a trial.

    `scratch` is a folder on the same disk, for files that are not whole yet.

    Raises:
        TeamError: If it is tainted, damaged, not plain LoRA, or cannot be fetched; nothing is kept.
        AdapterError: If an ancestor's name means another adapter here.
    """
    if shared.tainted:
        raise TeamError(
            f"adapter {shared.name} is tainted: somebody forgot an experience that it was made of"
        )
    offered = store.adapters.lineage(shared)
    manifest = offered.manifest
    if words := trouble_with_name(adapters, shared):
        raise TeamError(words)
    with tempfile.TemporaryDirectory(dir=scratch) as temporary:
        folder = Path(temporary) / shared.name
        folder.mkdir()
        bucket.fetch(shared.digest, manifest.files, folder, size_bytes=shared.size_bytes)
        check_settings(folder, shared.name)
        for ancestor in offered.ancestors:
            adapters.remember(ancestor)
        write_manifest(folder, manifest)
        adapters.adopt(folder)


def stop_tainted(
    experiences: ExperienceStore, adapters: AdapterStore, store: TeamStore
) -> Stopped | None:
    """Note what members forgot, and use no adapter any more that something of it had a part in.

    Raises:
        TeamError: If the team's store cannot be read.
        LearningError: If the experiences or adapters here cannot be read.
    """
    of_others = {
        (each.shared_by, id_)
        for manifest in adapters.list()
        for each in lineage(adapters, manifest.name)
        if each.shared_by
        for id_ in each.experience_ids
    }
    gone = {id_ for _, id_ in of_others & store.forgotten.all()}
    experiences.note_forgotten(gone)
    spoilt = {manifest.name for manifest in tainted(adapters, gone)}
    active = adapters.active()
    if active is None or active.name not in spoilt:
        return None
    return Stopped(name=active.name, instead=_used_instead(adapters, spoilt))


def _used_instead(adapters: AdapterStore, spoilt: set[str]) -> str:
    """Go back to what was used before and is not tainted, else to the bare base model."""
    before, name = adapters.used_before()
    while before and name is not None:
        active = adapters.rollback()
        if active is None:
            return ""
        if active.name not in spoilt:
            return active.name
        before, name = adapters.used_before()
    adapters.deactivate()
    return ""
