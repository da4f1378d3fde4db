"""A team's store: rows in a database that the members share. Weights of adapters lie in a bucket beside.

Every write is one transaction and may be made twice: rows are known by the digest of their content.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import (
    Connection,
    Engine,
    delete,
    exists,
    insert,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from learning.experience.codec import ExperienceError
from learning.experience.rows import COLUMNS, ExperienceRow, from_columns
from learning.promotion.manifest import manifest_text
from learning.records import Experience
from learning.team import roles
from learning.team.connecting import address_of, engine_for, login_of
from learning.team.errors import (
    TeamError,
    TeamRefusedError,
    TeamUnreachableError,
)
from learning.team.failures import explained
from learning.team.reading import MAX_MANIFEST_CHARACTERS, read_shared
from learning.team.roles import checked_name
from learning.team.schema import (
    ADAPTERS,
    EXPERIENCES,
    FORGOTTEN,
    IS_TAINTED,
    MEMBERS,
    METADATA,
    MIGRATIONS,
    SOURCES,
    migrate,
    version_of,
)
from learning.team.values import Lineage, Member, Role, SharedAdapter

_BATCH = 50
_LOCK = 0x656C6167
"""The advisory lock under which one process at a time changes the tables."""


class TeamStore:
    """The store as one member sees it. A context manager."""

    def __init__(self, engine: Engine, db: Connection, *, place: str, me: str) -> None:
        self._engine = engine
        self._db = db
        self._place = place
        self._me = me

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
            store = cls(engine, db, place=place, me=me)
            if create:
                store._create()
            else:
                store._check_version()
            undo.pop_all()
        return store

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
        """End the connection; one that is broken already is given up. Safe to call twice."""
        with contextlib.suppress(
            SQLAlchemyError
        ):  # nothing is pending: each write has its own commit
            self._db.close()
        self._engine.dispose()

    @property
    def place(self) -> str:
        """The database in words, without a password."""
        return self._place

    @property
    def me(self) -> str:
        """The name of the member who is connected."""
        return self._me

    @property
    def keeps_roles(self) -> bool:
        """True if the database itself refuses what a role may not do."""
        return self._is_postgres

    def members(self) -> tuple[Member, ...]:
        """All members, by name.

        Raises:
            TeamError: If the database cannot be read.
        """
        with self._reading() as db:
            rows = db.execute(select(MEMBERS).order_by(MEMBERS.c.name)).all()
        return tuple(Member(name=row.name, role=Role(row.role)) for row in rows)

    def role(self) -> Role:
        """The role of the member who is connected.

        Raises:
            TeamRefusedError: If it is no member.
        """
        for member in self.members():
            if member.name == self._me:
                return member.role
        raise TeamRefusedError(
            f"{self._me} is no member of the team at {self._place}:"
            f" an administrator runs `elagent team role {self._me} contributor`"
        )

    def need(self, role: Role) -> None:
        """Check the role of the member who is connected.

        Raises:
            TeamRefusedError: If a higher role is needed.
        """
        if not (mine := self.role()).covers(role):
            raise TeamRefusedError(
                f"{self._me} is a {mine.value} of the team, and only a {role.value} may do this:"
                f" an administrator runs `elagent team role {self._me} {role.value}`"
            )

    def give_role(self, name: str, role: Role | None) -> None:
        """Make somebody a member with this role, change the role, or with None end the membership.

        What a former member shared stays; an administrator can remove it.

        Raises:
            TeamError: If the caller is no administrator, or it would leave no administrator.
        """
        self.need(Role.ADMINISTRATOR)
        checked_name(name)
        others = (m for m in self.members() if m.name != name and m.role is Role.ADMINISTRATOR)
        if role is not Role.ADMINISTRATOR and not any(others):
            raise TeamError(f"{name} is the only administrator: make somebody else one first")
        with self._writing() as db:
            db.execute(delete(MEMBERS).where(MEMBERS.c.name == name))
            if role is not None:
                db.execute(insert(MEMBERS).values(name=name, role=role.value))
            if self._is_postgres:
                roles.give(db, name, role)

    def known_experiences(self) -> Mapping[str, str]:
        """Digest by id of the member's own experiences in the store.

        Raises:
            TeamError: If the database cannot be read.
        """
        with self._reading() as db:
            wanted = select(EXPERIENCES.c.id, EXPERIENCES.c.digest)
            rows = db.execute(wanted.where(EXPERIENCES.c.member == self._me)).all()
        return {row.id: row.digest for row in rows}

    def add_experiences(
        self,
        rows: Sequence[ExperienceRow],
        *,
        project: str,
        done: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Add experiences of the member, which must be redacted; return the number of new rows.

        An earlier row of the same id is replaced, one with the same content stays. `done` hears how
        many are stored for good, batch after batch.

        Raises:
            TeamError: If the member may not, or the database fails; earlier batches stay.
        """
        self.need(Role.CONTRIBUTOR)
        added = 0
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            with self._writing() as db:
                added += sum(self._add_experience(db, row, project) for row in batch)
            done(start + len(batch))
        return added

    def _add_experience(self, db: Connection, row: ExperienceRow, project: str) -> bool:
        mine = EXPERIENCES.c.member == self._me
        earlier = (mine, EXPERIENCES.c.id == row.id, EXPERIENCES.c.digest != row.digest)
        db.execute(delete(EXPERIENCES).where(*earlier))
        values = {column: getattr(row, column) for column in COLUMNS}
        values |= {"member": self._me, "digest": row.digest, "project": project}
        return self._insert_new(db, EXPERIENCES.name, [values]) > 0

    def experiences(self) -> Iterator[Experience]:
        """The experiences that the member may read: its own, or everybody's for an administrator.

        Raises:
            TeamError: If the database cannot be read, or a row is damaged.
        """
        wanted = select(
            *(EXPERIENCES.c[name] for name in ("body", "prompt_ids", "token_ids", "logprobs"))
        ).order_by(EXPERIENCES.c.created_at, EXPERIENCES.c.member, EXPERIENCES.c.id)
        if not self.role().covers(Role.ADMINISTRATOR):
            wanted = wanted.where(EXPERIENCES.c.member == self._me)
        with self._reading() as db:
            rows = db.execute(wanted).all()
        for row in rows:
            try:
                yield from_columns(*row)
            except (ExperienceError, TypeError, ValueError, AttributeError, OverflowError) as err:
                raise TeamError(f"{self._place} holds a damaged experience: {err}") from err

    def adapters(self) -> tuple[SharedAdapter, ...]:
        """All adapters of the team, oldest first.

        Raises:
            TeamError: If the database cannot be read.
        """
        names = [field.name for field in dataclasses.fields(SharedAdapter)][:-1]
        wanted = select(*(ADAPTERS.c[name] for name in names), IS_TAINTED.label("tainted"))
        with self._reading() as db:
            rows = db.execute(wanted.order_by(ADAPTERS.c.shared_at, ADAPTERS.c.digest)).all()
        return tuple(
            SharedAdapter(**{**row._mapping, "tainted": bool(row.tainted)})  # noqa: SLF001 - a named tuple's own
            for row in rows
        )

    def lineage(self, adapter: SharedAdapter) -> Lineage:
        """The manifests of an adapter, each checked and marked as that member's.

        Raises:
            TeamError: If it is gone, or not what this program writes.
        """
        wanted = select(ADAPTERS.c.manifest, ADAPTERS.c.ancestors)
        with self._reading() as db:
            row = db.execute(wanted.where(ADAPTERS.c.digest == adapter.digest)).one_or_none()
        if row is None:
            raise TeamError(f"adapter {adapter.name} is no longer in the team's store")
        manifest, *ancestors = read_shared(row.manifest, row.ancestors, member=adapter.member)
        if (manifest.digest, manifest.name) != (adapter.digest, adapter.name):
            raise TeamError(
                f"adapter {adapter.name} of {adapter.member} is not what its digest says:"
                " it was not fetched; tell an administrator of the team"
            )
        return Lineage(manifest=manifest, ancestors=tuple(ancestors))

    def add_adapter(self, lineage: Lineage, *, project: str, size_bytes: int) -> bool:
        """Offer an adapter whose files are in the bucket already; false if it was offered before.

        Raises:
            TeamError: If the member may not, or the database fails; nothing is offered then.
        """
        self.need(Role.CONTRIBUTOR)
        manifest = lineage.manifest
        text_of_all = (
            manifest_text(manifest),
            json.dumps([manifest_text(each) for each in lineage.ancestors]),
        )
        if sum(map(len, text_of_all)) > MAX_MANIFEST_CHARACTERS:
            raise TeamError(f"the manifests of adapter {manifest.name} are too large to share")
        row = {
            "digest": manifest.digest,
            "name": manifest.name,
            "member": self._me,
            "project": project,
            "model": manifest.model,
            "shared_at": time.time(),
            "size_bytes": size_bytes,
            "manifest": text_of_all[0],
            "ancestors": text_of_all[1],
        }
        sources = [
            {"adapter": manifest.digest, "member": member, "experience": id_}
            for member, id_ in sorted(lineage.sources(self._me))
        ]
        with self._writing() as db:
            if not self._insert_new(db, ADAPTERS.name, [row]):
                return False
            if sources:
                db.execute(insert(SOURCES), sources)
        return True

    def forget(self, ids: Iterable[str]) -> int:
        """Erase the member's experiences and taint for all what was made of them; how many were new.

        An id counts if the store has it as a row of the member or behind an adapter.

        Raises:
            TeamError: If the database fails; nothing is forgotten then.
        """
        wanted = sorted(set(ids))
        with self._writing() as db:
            here = [id_ for id_ in wanted if self._has(db, id_)]
            rows = [
                {"member": self._me, "experience": id_, "forgotten_at": time.time()} for id_ in here
            ]
            new = self._insert_new(db, FORGOTTEN.name, rows)
            for id_ in here:
                mine = (EXPERIENCES.c.member == self._me, EXPERIENCES.c.id == id_)
                db.execute(delete(EXPERIENCES).where(*mine))
        return new

    def _has(self, db: Connection, id_: str) -> bool:
        row = exists().where(EXPERIENCES.c.member == self._me, EXPERIENCES.c.id == id_)
        behind = exists().where(SOURCES.c.member == self._me, SOURCES.c.experience == id_)
        return bool(db.execute(select(row | behind)).scalar_one())

    def forgotten(self) -> frozenset[tuple[str, str]]:
        """Member and id of each experience that its owner forgot.

        Raises:
            TeamError: If the database cannot be read.
        """
        with self._reading() as db:
            rows = db.execute(select(FORGOTTEN.c.member, FORGOTTEN.c.experience)).all()
        return frozenset((row.member, row.experience) for row in rows)

    @property
    def _is_postgres(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    def _create(self) -> None:
        with self._writing() as db:
            if self._is_postgres:
                db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            made = version_of(db) == 0
            self._refuse_newer(db)
            migrate(db)
            if self._is_postgres:
                roles.protect(db)
            if made:
                admin = Role.ADMINISTRATOR
                db.execute(insert(MEMBERS).values(name=self._me, role=admin.value))
                if self._is_postgres:
                    roles.give(db, self._me, admin)

    def _check_version(self) -> None:
        with self._reading() as db:
            self._refuse_newer(db)
            version = version_of(db)
        if version == 0:
            raise TeamError(
                f"{self._place} holds no team's store: `elagent team init` makes one there"
            )
        if version < len(MIGRATIONS):
            raise TeamError(
                f"the store at {self._place} is of version {version}, and this elagent needs"
                f" {len(MIGRATIONS)}: an administrator runs `elagent team init` once"
            )

    def _refuse_newer(self, db: Connection) -> None:
        if (version := version_of(db)) > len(MIGRATIONS):
            raise TeamError(
                f"the store at {self._place} was made by a newer elagent (version {version}, this"
                f" one knows {len(MIGRATIONS)}): update elagent"
            )

    def _insert_new(self, db: Connection, table: str, rows: Sequence[Mapping[str, object]]) -> int:
        """Insert the rows that are not there yet; return their number."""
        into = METADATA.tables[table]
        dialect = postgresql if self._is_postgres else sqlite
        new = 0
        for row in rows:
            once = dialect.insert(into).values(row).on_conflict_do_nothing()
            # psycopg does not say how many rows an insertion made
            new += db.execute(once.returning(*into.primary_key)).first() is not None
        return new

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        with explained(self._place), self._db.begin():
            yield self._db

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        with explained(self._place):
            if not self._is_postgres:
                self._db.execution_options(elagent_writes=True)
            try:
                with self._db.begin():
                    yield self._db
            finally:
                if not self._is_postgres:
                    self._db.execution_options(elagent_writes=False)
