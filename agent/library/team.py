"""The team of the person: what is shared with it, fetched from it and forgotten in it.

Nobody has a team until the person joins one, and only the person's own settings name it. The libraries
of its store are loaded when a command needs them.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import BusyError, ConfigError
from agent.library.place import Library
from agent.locks import hold
from agent.paths import make_private
from agent.settings.change import set_user, unset_user
from agent.settings.schema import TeamSettings
from learning.errors import LearningError
from learning.experience.store import ExperienceStore
from learning.promotion.adapters import AdapterStore
from learning.promotion.lineage import lineage
from learning.team.errors import TeamAddressError, TeamUnreachableError
from learning.team.values import Member, Role, SharedAdapter

if TYPE_CHECKING:
    from learning.team.bucket import Bucket
    from learning.team.pulling import Stopped
    from learning.team.sharing import Offer, Shared
    from learning.team.store import TeamStore

__all__ = ["SharedAdapter"]

Say = Callable[[str], None]
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
    """Number of experiences and adapters that it has already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """The end of a fetch."""

    fetched: tuple[str, ...]
    notices: tuple[str, ...]
    """Items that were passed over, with the reasons."""
    others: int = 0
    """Offers for other models or of other projects, which are fetched by name only."""


def join(given: TeamSettings, environ: Mapping[str, str], *, create: bool = False) -> Standing:
    """Connect to a team's store and keep its address in the person's own settings.

    With `create` the store is made there, or brought up to date.

    Raises:
        ConfigError: If the settings cannot be kept, or packages are missing.
        TeamError: If the store or the bucket cannot be used; nothing is kept then.
    """
    bucket = _bucket(given)
    if create:
        bucket.make_folder()
    bucket.check()
    with _store(given, create=create) as store:
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
    with _store(settings) as store:
        return _standing(settings, store)


def leaving(library: Library, settings: TeamSettings, root: Path) -> Leaving:
    """Look what would leave this machine of the repository at `root`; nothing is sent.

    Raises:
        ConfigError: If no team was joined.
        TeamError: If the store cannot be read, or the member may not share.
        StoreError: If the experiences cannot be read.
    """
    from learning.team.sharing import missing, offer_of

    with _store(settings) as store, _experiences(library) as experiences:
        store.need(Role.CONTRIBUTOR)
        offer = offer_of(
            experiences, _adapters(library), root=root, home=os.environ.get("HOME", "")
        )
        new = missing(offer, store)
        before = len(offer.experiences) + len(offer.adapters)
        return Leaving(
            place=store.place,
            bucket=settings.bucket or "",
            me=store.me,
            guarded=store.keeps_roles,
            new=new,
            known=before - len(new.experiences) - len(new.adapters),
        )


def share(offer: Offer, settings: TeamSettings, *, project: str, say: Say) -> Shared:
    """Send what was looked at, as far as the team does not have it.

    Raises:
        TeamError: If the database or the bucket fails; what was sent stays, and nothing is sent twice.
    """
    from learning.team import sharing

    with _store(settings) as store:
        return sharing.share(offer, store, _bucket(settings), project=project, say=say)


def pass_on_forgotten(library: Library, settings: TeamSettings) -> int:
    """Forget for the team what was forgotten in the repository; return how many were new to it.

    Raises:
        TeamError: If the database or the bucket fails; the next call does the rest.
        StoreError: If the experiences cannot be read.
    """
    try:
        with _store(settings) as store:
            return _pass_on(library, settings, store)
    except TeamUnreachableError as err:
        raise TeamUnreachableError(
            f"what you forgot here is not yet forgotten in the team's store, because {err.reason}",
            next_step="the next `elagent team share` or `pull` passes it on",
        ) from err


def _pass_on(library: Library, settings: TeamSettings, store: TeamStore) -> int:
    from learning.team import sharing

    with _experiences(library) as experiences:
        gone = experiences.forgotten() - _ids_of_others(_adapters(library))
    return sharing.pass_on_forgotten(gone, store, _bucket(settings))


def pull(
    library: Library, settings: TeamSettings, names: Sequence[str], *, project: str, say: Say
) -> Pulled:
    """Stop using what became tainted, and fetch adapters: those named, or the newest of each member.

    Raises:
        BusyError: If another process fetches for this repository.
        TeamError: If the store or the bucket fails; what was fetched whole stays.
    """
    from learning.team.pulling import stop_tainted

    adapters = _adapters(library)
    with _scratch(library) as scratch, _store(settings) as store:
        if passed := _pass_on(library, settings, store):
            say(f"forgot {passed} in the team's store")
        with _experiences(library) as experiences:
            if (stopped := stop_tainted(experiences, adapters, store)) is not None:
                say(_why(stopped))  # at once: it is done, whatever comes of the rest
        here = {manifest.digest for manifest in adapters.list()}
        wanted, notices, others = _wanted(store.adapters(), names, here, (project, library.model))
        fetched = []
        for each in wanted:
            if each.digest in here:
                continue
            try:
                _fetch(each, store, _bucket(settings), adapters, scratch)
            except LearningError as err:
                if isinstance(err, TeamUnreachableError) or names:
                    raise
                notices.append(str(err))
            else:
                fetched.append(each.name)
                say(f"fetched {each.name} of {each.member}")
    return Pulled(fetched=tuple(fetched), notices=tuple(notices), others=others)


def give_role(settings: TeamSettings, name: str, role: str) -> None:
    """Make somebody a member, change the role, or with `none` end the membership.

    Raises:
        TeamError: If the person is no administrator, or the database does not allow it.
    """
    with _store(settings) as store:
        store.give_role(name, None if role == NO_ROLE else Role(role))


def exported(settings: TeamSettings) -> Iterator[str]:
    """Yield the experiences that the member may read, each as one line of JSON.

    Raises:
        TeamError: If the store cannot be read.
    """
    from learning.experience.codec import encode

    with _store(settings) as store:
        for experience in store.experiences():
            yield encode(experience)


def _wanted(
    offers: Sequence[SharedAdapter],
    names: Sequence[str],
    here: Collection[str],
    place: tuple[str, str],
) -> tuple[Sequence[SharedAdapter], list[str], int]:
    """The offers to fetch, sentences about others, and the number of those that do not fit here.

    `here` are digests of adapters that are here, `place` is this project and its model.
    """
    if names:
        return [_named(offers, name) for name in names], [], 0
    fitting = [each for each in offers if (each.project, each.model) == place]
    newest = {each.member: each for each in fitting if not each.tainted}  # the oldest come first
    notices = [
        f"{each.name} of {each.member} is tainted: not fetched"
        for each in fitting
        if each.tainted and each.digest not in here
    ]
    others = [each for each in offers if each not in fitting and not each.tainted]
    return list(newest.values()), notices, len(others)


def _why(stopped: Stopped) -> str:
    return (
        f"{stopped.name} is not used any more: a member forgot an experience that it was made from;"
        f" {stopped.instead or 'the bare base model'} is in use"
    )


def _named(offers: Sequence[SharedAdapter], name: str) -> SharedAdapter:
    found = [each for each in offers if name in (each.name, each.digest)]
    if len(found) != 1:
        known = f"{len(found)} adapters of the team are" if found else "no adapter of the team is"
        hint = (
            "; name its digest, see `elagent team ls --json`"
            if found
            else ": see `elagent team ls`"
        )
        raise ConfigError(f"{known} named {name!r}{hint}")
    return found[0]


def _fetch(
    shared: SharedAdapter, store: TeamStore, bucket: Bucket, adapters: AdapterStore, scratch: Path
) -> None:
    from learning.team.pulling import fetch

    fetch(shared, store, bucket, adapters, scratch=scratch)


@contextlib.contextmanager
def _scratch(library: Library) -> Iterator[Path]:
    """A folder for files that are not whole yet, of one process at a time and empty at first."""
    home = make_private(library.repository.home)
    try:
        with hold(home / "team.lock", timeout_s=1.0):
            folder = home / "team"
            shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
            try:
                yield make_private(folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except TimeoutError as err:
        raise BusyError(
            "another elagent fetches adapters for this repository: try again when it is done"
        ) from err


def _ids_of_others(adapters: AdapterStore) -> frozenset[str]:
    """Ids of experiences that other members forget, not this one."""
    return frozenset(
        id_
        for manifest in adapters.list()
        for each in lineage(adapters, manifest.name)
        if each.shared_by
        for id_ in each.experience_ids
    )


def _standing(settings: TeamSettings, store: TeamStore) -> Standing:
    return Standing(
        place=store.place,
        bucket=settings.bucket or "",
        me=store.me,
        role=store.role().value,
        guarded=store.keeps_roles,
        members=store.members(),
        adapters=store.adapters(),
    )


def _store(settings: TeamSettings, *, create: bool = False) -> TeamStore:
    if not settings.store:
        raise ConfigError("no team was joined: `elagent team join STORE --bucket BUCKET` joins one")
    _need_packages()
    from learning.team.store import TeamStore

    name = settings.name or getpass.getuser()
    try:
        return TeamStore.open(settings.store, name=name, create=create)
    except TeamAddressError as err:
        raise ConfigError(str(err)) from err


def _bucket(settings: TeamSettings) -> Bucket:
    if not settings.bucket:
        raise ConfigError("no team was joined: `elagent team join STORE --bucket BUCKET` joins one")
    _need_packages()
    from learning.team.bucket import Bucket

    try:
        return Bucket.open(settings.bucket)
    except TeamAddressError as err:
        raise ConfigError(str(err)) from err


def _need_packages() -> None:
    if any(find_spec(name) is None for name in ("fsspec", "sqlalchemy")):
        raise ConfigError('a team needs more packages: pip install "elagent[team]"')


def _experiences(library: Library) -> ExperienceStore:
    return ExperienceStore.open(library.repository.experiences)


def _adapters(library: Library) -> AdapterStore:
    return AdapterStore(library.repository.adapters)
