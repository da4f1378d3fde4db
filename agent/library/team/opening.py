"""Opens the team's store and bucket, and what the repository has of its own."""

from __future__ import annotations

import getpass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from agent.errors import ConfigError
from agent.library.place import Library
from agent.settings.schema import TeamSettings
from learning.contexts.context import ApiContext, context_files
from learning.experience.store import ExperienceStore
from learning.promotion.adapters import AdapterStore
from learning.team.errors import TeamAddressError

if TYPE_CHECKING:
    from learning.team.bucket import Bucket
    from learning.team.store import TeamStore


def team_store(settings: TeamSettings, *, create: bool = False) -> TeamStore:
    """Open the store that the settings name; `create` makes it there.

    Raises:
        ConfigError: If no team was joined, or packages are missing.
        TeamError: If it cannot be used.
    """
    if not settings.store:
        raise ConfigError("no team was joined: `elagent team join STORE --bucket BUCKET` joins one")
    _need_packages()
    from learning.team.store import TeamStore

    name = settings.name or getpass.getuser()
    try:
        return TeamStore.open(settings.store, name=name, create=create)
    except TeamAddressError as err:
        raise ConfigError(str(err)) from err


def team_bucket(settings: TeamSettings) -> Bucket:
    """Open the bucket that the settings name.

    Raises:
        ConfigError: If no team was joined, or packages are missing.
    """
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


def own_experiences(library: Library) -> ExperienceStore:
    """Open the experiences of the person's repository.

    Raises:
        StoreError: If they cannot be read.
    """
    return ExperienceStore.open(library.repository.experiences)


def own_contexts(library: Library) -> list[ApiContext]:
    """The verified contexts of the person's repository, of all releases that were built."""
    files = context_files(library.repository.contexts)
    return [context for file in files for context in file.read().values()]


def own_adapters(library: Library) -> AdapterStore:
    """The adapters of the person's repository."""
    return AdapterStore(library.repository.adapters)
