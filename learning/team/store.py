"""A team's store: rows in a database that the members share. Weights of adapters lie in a bucket beside.

Every write is one transaction and may be made twice: rows are known by the digest of their content.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, insert, text

from learning.team import roles
from learning.team.adapters import SharedAdapters
from learning.team.connecting import address_of, engine_for, login_of
from learning.team.database import TeamDatabase
from learning.team.errors import TeamError, TeamUnreachableError
from learning.team.experiences import SharedExperiences
from learning.team.failures import explained
from learning.team.forgetting import ForgottenExperiences
from learning.team.members import Members
from learning.team.notes import SharedNotes
from learning.team.roles import checked_name
from learning.team.schema import MEMBERS, MIGRATIONS, migrate, version_of
from learning.team.values import Role

_LOCK = 0x656C6167
"""The advisory lock under which one process at a time changes the tables."""


class TeamStore:
    """The store as one member sees it. A context manager."""

    def __init__(self, database: TeamDatabase, *, me: str) -> None:
        self.database = database
        self.me = me
        """The name of the member who is connected."""
        self.members = Members(database, me=me)
        self.experiences = SharedExperiences(database, self.members, me=me)
        self.adapters = SharedAdapters(database, self.members, me=me)
        self.forgotten = ForgottenExperiences(database, me=me)
        self.notes = SharedNotes(database, self.members, me=me)

    @classmethod
    def open(cls, url: str, *, name: str, create: bool = False) -> Self:
        """Connect to the store; PostgreSQL's login is the member's name, else it is `name`.

        `create` makes the tables, or brings them up to date, with the caller as an administrator.

        Raises:
            TeamAddressError: If the address is none that a store can have.
            TeamError: If there is no store of a known version, or the database cannot be used.
        """
        where, place = address_of(url)
        if not create and where.drivername == "sqlite" and not Path(place).is_file():
            # SQLite would make an empty file there
            raise TeamUnreachableError(
                f"there is no file {place}",
                next_step="the address is wrong, it is on a disk that is not mounted, or nobody ran"
                " `elagent team init` yet",
            )
        engine = engine_for(where)
        with explained(place), contextlib.ExitStack() as undo:
            undo.callback(engine.dispose)
            db = undo.enter_context(engine.connect())
            with db.begin():
                me = login_of(db) or checked_name(name)
            database = TeamDatabase(engine, db, place=place)
            if create:
                _create(database, me)
            else:
                _check_version(database)
            undo.pop_all()
        return cls(database, me=me)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection. Safe to call twice."""
        self.database.close()

    @property
    def place(self) -> str:
        """The database in words, without a password."""
        return self.database.place

    @property
    def keeps_roles(self) -> bool:
        """True if the database itself refuses what a role may not do."""
        return self.database.is_postgres


def _create(database: TeamDatabase, me: str) -> None:
    """Make the tables or bring them up to date; in a new store `me` is the administrator."""
    with database.writing() as db:
        if database.is_postgres:
            db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        made = version_of(db) == 0
        _refuse_newer(db, database.place)
        migrate(db)
        if database.is_postgres:
            roles.protect(db)
        if made:
            admin = Role.ADMINISTRATOR
            db.execute(insert(MEMBERS).values(name=me, role=admin.value))
            if database.is_postgres:
                roles.give(db, me, admin)


def _check_version(database: TeamDatabase) -> None:
    place = database.place
    with database.reading() as db:
        _refuse_newer(db, place)
        version = version_of(db)
    if version == 0:
        raise TeamError(f"{place} holds no team's store: `elagent team init` makes one there")
    if version < len(MIGRATIONS):
        raise TeamError(
            f"the store at {place} is of version {version}, and this elagent needs"
            f" {len(MIGRATIONS)}: an administrator runs `elagent team init` once"
        )


def _refuse_newer(db: Connection, place: str) -> None:
    if (version := version_of(db)) > len(MIGRATIONS):
        raise TeamError(
            f"the store at {place} was made by a newer elagent (version {version}, this"
            f" one knows {len(MIGRATIONS)}): update elagent"
        )
