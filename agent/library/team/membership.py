"""Who is in the team: joining and leaving it, its members with their roles, and what it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.library.team.opening import team_bucket, team_store
from agent.settings.change import set_user, unset_user
from agent.settings.schema import TeamSettings
from learning.team.values import Member, Role, SharedAdapter

if TYPE_CHECKING:
    from learning.team.store import TeamStore

__all__ = ["SharedAdapter"]

ROLES = tuple(role.value for role in Role)
NO_ROLE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The team as a member sees it."""

    place: str
    bucket: str
    me: str
    role: str
    guarded: bool
    """True if the database itself keeps the roles."""
    members: tuple[Member, ...]
    adapters: tuple[SharedAdapter, ...]


def join(given: TeamSettings, environ: Mapping[str, str], *, create: bool = False) -> Standing:
    """Connect to a team's store and keep its address in the person's own settings.

    With `create` the store is made there, or brought up to date.

    Raises:
        ConfigError: If the settings cannot be kept, or packages are missing.
        TeamError: If the store or the bucket cannot be used; nothing is kept then.
    """
    bucket = team_bucket(given)
    if create:
        bucket.make_folder()
    bucket.check()
    with team_store(given, create=create) as store:
        standing = _standing(given, store)
    for key, value in (("store", given.store), ("bucket", given.bucket), ("name", given.name)):
        if value is None:
            unset_user(f"team.{key}", environ)
        else:
            set_user(f"team.{key}", value, environ)
    return standing


def leave(environ: Mapping[str, str]) -> None:
    """Take the team out of the person's settings; what was shared stays where it is.

    Raises:
        ConfigError: If the settings cannot be changed.
    """
    for key in ("store", "bucket", "name"):
        unset_user(f"team.{key}", environ)


def standing(settings: TeamSettings) -> Standing:
    """Read members, roles and adapters of the team.

    Raises:
        ConfigError: If no team was joined.
        TeamError: If the store cannot be read.
    """
    with team_store(settings) as store:
        return _standing(settings, store)


def give_role(settings: TeamSettings, name: str, role: str) -> None:
    """Make somebody a member, change the role, or with `none` end the membership.

    Raises:
        TeamError: If the person is no administrator, or the database does not allow it.
    """
    with team_store(settings) as store:
        store.members.give_role(name, None if role == NO_ROLE else Role(role))


def _standing(settings: TeamSettings, store: TeamStore) -> Standing:
    return Standing(
        place=store.place,
        bucket=settings.bucket or "",
        me=store.me,
        role=store.members.role().value,
        guarded=store.keeps_roles,
        members=store.members.all(),
        adapters=store.adapters.all(),
    )
