"""Shares with the team what may leave, passes on what was forgotten, and reads what is shared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.library.place import Library
from agent.library.team.opening import (
    own_adapters,
    own_contexts,
    own_experiences,
    team_bucket,
    team_store,
)
from agent.settings.schema import TeamSettings
from learning.promotion.adapters import AdapterStore
from learning.promotion.lineage import lineage
from learning.team.errors import TeamUnreachableError
from learning.team.values import Role

if TYPE_CHECKING:
    from learning.team.sharing import Offer, Shared
    from learning.team.store import TeamStore

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """List of all that would leave this machine, before it does."""

    place: str
    bucket: str
    me: str
    new: Offer
    """The part of it that the team does not have yet."""
    guarded: bool
    """True if the database itself keeps what others may read."""
    known: int
    """Number of experiences, notes and adapters that it has already."""

    @property
    def libraries(self) -> Sequence[str]:
        """Names of the libraries that there are notes on."""
        return sorted({note.library for note in self.new.notes})


def leaving(library: Library, settings: TeamSettings, root: Path, *, project: str) -> Leaving:
    """Look what would leave this machine of the repository at `root`; nothing is sent.

    `project` is its name in the team's store.

    Raises:
        ConfigError: If no team was joined.
        TeamError: If the store cannot be read, or the member may not share.
        StoreError: If the experiences cannot be read.
    """
    from learning.team.sharing import missing, offer_of

    with team_store(settings) as store, own_experiences(library) as experiences:
        store.members.need(Role.CONTRIBUTOR)
        offer = offer_of(
            experiences,
            own_adapters(library),
            root=root,
            home=os.environ.get("HOME", ""),
            contexts=own_contexts(library),
        )
        new = missing(offer, store, project=project)
        return Leaving(
            place=store.place,
            bucket=settings.bucket or "",
            me=store.me,
            guarded=store.keeps_roles,
            new=new,
            known=offer.number - new.number,
        )


def share(offer: Offer, settings: TeamSettings, *, project: str, say: Say) -> Shared:
    """Send what was looked at, as far as the team does not have it.

    Raises:
        TeamError: If the database or the bucket fails; what was sent stays, and nothing is sent twice.
    """
    from learning.team import sharing

    with team_store(settings) as store:
        return sharing.share(offer, store, team_bucket(settings), project=project, say=say)


def pass_on_forgotten(library: Library, settings: TeamSettings) -> int:
    """Forget for the team what was forgotten in the repository; return how many were new to it.

    Raises:
        TeamError: If the database or the bucket fails; the next call does the rest.
        StoreError: If the experiences cannot be read.
    """
    try:
        with team_store(settings) as store:
            return pass_on(library, settings, store)
    except TeamUnreachableError as err:
        raise TeamUnreachableError(
            f"what you forgot here is not yet forgotten in the team's store, because {err.reason}",
            next_step="the next `elagent team share` or `pull` passes it on",
        ) from err


def pass_on(library: Library, settings: TeamSettings, store: TeamStore) -> int:
    """Forget in an open store what was forgotten in the repository; see `pass_on_forgotten`."""
    from learning.team import sharing

    with own_experiences(library) as experiences:
        gone = experiences.forgotten() - _ids_of_others(own_adapters(library))
    return sharing.pass_on_forgotten(gone, store, team_bucket(settings))


def exported(settings: TeamSettings) -> Iterator[str]:
    """Yield the experiences that the member may read, each as one line of JSON.

    Raises:
        TeamError: If the store cannot be read.
    """
    from learning.experience.codec import encode

    with team_store(settings) as store:
        for experience in store.experiences.readable():
            yield encode(experience)


def _ids_of_others(adapters: AdapterStore) -> frozenset[str]:
    """Ids of experiences behind adapters of other members, which only these may forget."""
    return frozenset(
        id_
        for manifest in adapters.list()
        for each in lineage(adapters, manifest.name)
        if each.shared_by
        for id_ in each.experience_ids
    )
