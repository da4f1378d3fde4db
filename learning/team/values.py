"""Defines the values of a team's store: roles, members, shared adapters. Needs no database."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from learning.promotion.manifest import AdapterManifest


class Role(StrEnum):
    """Rights of a member; each role has all rights of those before it."""

    READER = "reader"
    """See and fetch adapters, and forget what is one's own."""
    CONTRIBUTOR = "contributor"
    """Share experiences and adapters."""
    ADMINISTRATOR = "administrator"
    """Give roles, read all experiences, and remove what others shared."""

    def covers(self, other: Role) -> bool:
        """True if this role has all rights of `other`."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAdapter:
    """An adapter as the team's store has it."""

    digest: str
    name: str
    member: str
    project: str
    model: str
    shared_at: float
    """Seconds since the epoch."""
    size_bytes: int
    tainted: bool
    """True if something forgotten had a part in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The manifest of an adapter, and those that it was made from, the youngest first."""

    manifest: AdapterManifest
    ancestors: tuple[AdapterManifest, ...] = ()

    def sources(self, member: str) -> frozenset[tuple[str, str]]:
        """Member and id of each experience behind it, where `member` made what nobody shared."""
        return frozenset(
            (manifest.shared_by or member, id_)
            for manifest in (self.manifest, *self.ancestors)
            for id_ in manifest.experience_ids
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of the team and what it may do."""

    name: str
    role: Role
