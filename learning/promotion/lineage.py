"""The experiences behind an adapter and its ancestors, and the effect of forgetting on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from learning.promotion.adapters import AdapterError, AdapterStore
from learning.promotion.manifest import AdapterManifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """Plan to make an adapter again without forgotten experiences."""

    parent: str | None
    """The nearest existing ancestor without forgotten experiences; None for the bare base model."""
    experience_ids: frozenset[str]
    """Experiences of the adapter and of its ancestors after `parent` that were not forgotten."""


def lineage(store: AdapterStore, name: str) -> Sequence[AdapterManifest]:
    """The adapter and its ancestors, the youngest first, removed ones included.

    Raises:
        AdapterError: If the adapter itself is missing or damaged.
    """
    found = [store.get(name)]
    seen = {name}
    while (parent := found[-1].parent) and parent not in seen:
        seen.add(parent)
        try:
            found.append(store.remembered(parent))
        except AdapterError:
            break  # missing or damaged: its experiences are unknown
    return found


def made_from(store: AdapterStore, name: str) -> frozenset[str]:
    """Ids of all experiences that had a part in the adapter's weights.

    Raises:
        AdapterError: If the adapter is missing or damaged.
    """
    return frozenset(id_ for each in lineage(store, name) for id_ in each.experience_ids)


def tainted(store: AdapterStore, forgotten: Collection[str]) -> Sequence[AdapterManifest]:
    """All adapters made from a forgotten experience, descendants included."""
    return [
        manifest
        for manifest in store.list()
        if not made_from(store, manifest.name).isdisjoint(forgotten)
    ]


def rebuild(store: AdapterStore, name: str, forgotten: Collection[str]) -> Rebuild:
    """Plan how to make this adapter again without the forgotten experiences.

    Raises:
        AdapterError: If the adapter is missing or damaged.
    """
    used: set[str] = set()
    there = {manifest.name for manifest in store.list()}
    ancestors = lineage(store, name)
    for number, manifest in enumerate(ancestors):
        had = {id_ for each in ancestors[number:] for id_ in each.experience_ids}
        if manifest.name in there and had.isdisjoint(forgotten):
            return Rebuild(
                parent=manifest.name, experience_ids=frozenset(used.difference(forgotten))
            )
        used.update(manifest.selected_ids)
    return Rebuild(parent=None, experience_ids=frozenset(used.difference(forgotten)))
