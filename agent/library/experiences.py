"""The experiences of one repository, and their owner's rights over them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from agent.errors import ConfigError
from agent.library.place import Library
from agent.rounds.self_play import unfixed
from learning.experience.codec import encode
from learning.experience.store import Counts, ExperienceStore
from learning.promotion.adapters import AdapterStore
from learning.promotion.lineage import tainted
from learning.records import Experience

__all__ = ["Experience", "encode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedList:
    """The latest experiences, newest first, and the counts of all."""

    rows: tuple[Experience, ...]
    counts: Counts
    capturing: bool
    """False if nothing more is captured in this repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Result of a request to forget."""

    asked: int
    gone: int
    tainted: tuple[str, ...]
    """Adapters that something forgotten had a part in."""


def captured(library: Library, *, limit: int) -> CapturedList:
    """Read the latest experiences.

    Raises:
        StoreError: If they cannot be read.
    """
    with _open(library) as store:
        return CapturedList(
            rows=tuple(store.list(limit=limit)), counts=store.counts(), capturing=store.capturing
        )


def find(library: Library, given: str) -> Experience:
    """Return the one experience whose id begins like this.

    Raises:
        ConfigError: If none does, or several do.
        StoreError: If they cannot be read.
    """
    with _open(library) as store:
        return _find(store, given)


def _find(store: ExperienceStore, given: str) -> Experience:
    matching = [each for each in store.list() if each.id.startswith(given)]
    if len(matching) == 1:
        return matching[0]
    found = "several experiences begin" if matching else "no experience begins"
    raise ConfigError(f"{found} with {given!r}; `elagent experiences ls` shows the ids")


def forget(library: Library, ids: Collection[str], *, everything: bool = False) -> Forgotten:
    """Erase experiences by the beginnings of their ids, or all of them.

    Raises:
        ConfigError: If an id means none, or several; nothing is erased then.
        StoreError: If they cannot be erased.
    """
    with _open(library) as store:
        chosen = [e.id for e in store.list()] if everything else [_find(store, i).id for i in ids]
        gone = sum(store.forget(each) for each in chosen)
        forgotten = store.forgotten()
    spoilt = tainted(AdapterStore(library.repository.adapters), forgotten)
    return Forgotten(
        asked=len(chosen), gone=gone, tainted=tuple(manifest.name for manifest in spoilt)
    )


def exported(library: Library) -> Iterator[str]:
    """Yield all experiences, each as one line of JSON.

    Raises:
        StoreError: If they cannot be read.
    """
    with _open(library) as store:
        yield from store.export()


def set_capturing(library: Library, *, on: bool) -> None:
    """Switch capture on or off for the repository; what is stored stays.

    Raises:
        StoreError: If that cannot be stored.
    """
    with _open(library) as store:
        store.set_capturing(on=on)


def new_verified(library: Library) -> int:
    """Count the verified experiences that can be learned from and no adapter was made from."""
    if not library.repository.experiences.exists():
        return 0
    used: set[str] = set()
    for row in AdapterStore(library.repository.adapters).list():
        used.update(row.selected_ids)
    with _open(library) as store:
        return sum(
            row.verdict == "pass"
            and row.trust.may_train
            and (bool(row.action.token_ids) or row.was_searched)
            and row.id not in used
            for row in store.list()
        )


def unfixed_failures(library: Library) -> int:
    """Count the tests that failed in the hands of this model and that nobody repaired since."""
    if not library.repository.experiences.exists():
        return 0
    with _open(library) as store:
        return len(unfixed(store.list(), model=library.model))


def _open(library: Library) -> ExperienceStore:
    return ExperienceStore.open(library.repository.experiences)
