"""The tables of a team's store and their migrations, for SQLite and PostgreSQL alike.

A row of `experiences` has the columns of the store that each repository has on its own machine.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKey,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    exists,
    insert,
    select,
    update,
)

METADATA = MetaData()

VERSION = Table("elagent_version", METADATA, Column("version", BigInteger, nullable=False))

MEMBERS = Table(
    "members",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
)

EXPERIENCES = Table(
    "experiences",
    METADATA,
    Column("member", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("project", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("model", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("fixes", Text, nullable=False),
    Column("trust", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("prompt_ids", LargeBinary, nullable=False),
    Column("token_ids", LargeBinary, nullable=False),
    Column("logprobs", LargeBinary),
    UniqueConstraint("member", "id"),
)

ADAPTERS = Table(
    "adapters",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False, index=True),
    Column("member", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("shared_at", Double, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("ancestors", Text, nullable=False),
)
"""`ancestors` is a JSON list of the manifests that it was made from, the youngest first."""

SOURCES = Table(
    "sources",
    METADATA,
    Column("adapter", Text, ForeignKey("adapters.digest", ondelete="CASCADE"), primary_key=True),
    Column("member", Text, primary_key=True),
    Column("experience", Text, primary_key=True),
)
"""The experiences behind each adapter, its ancestors included, with the member whose they are."""

FORGOTTEN = Table(
    "forgotten",
    METADATA,
    Column("member", Text, primary_key=True),
    Column("experience", Text, primary_key=True),
    Column("forgotten_at", Double, nullable=False),
)

NOTES = Table(
    "notes",
    METADATA,
    Column("member", Text, primary_key=True),
    Column("project", Text, primary_key=True),
    Column("library", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("api", Text, primary_key=True),
    Column("note", Text, nullable=False),
    Column("shared_at", Double, nullable=False),
)
"""Changed APIs of libraries, with the shape of a call; see `learning.contexts.notes`."""

IS_TAINTED = exists().where(
    SOURCES.c.adapter == ADAPTERS.c.digest,
    SOURCES.c.member == FORGOTTEN.c.member,
    SOURCES.c.experience == FORGOTTEN.c.experience,
)
"""True of an adapter that something forgotten had a part in."""


def _create_tables(db: Connection) -> None:
    METADATA.create_all(db)
    db.execute(insert(VERSION).values(version=0))


def _add_notes(db: Connection) -> None:
    NOTES.create(db, checkfirst=True)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_create_tables, _add_notes)
"""Migration n brings a store from version n to n + 1. Only ever append."""


def version_of(db: Connection) -> int:
    """The version of a store; 0 where there is none."""
    if not db.dialect.has_table(db, VERSION.name):
        return 0
    return int(db.execute(select(VERSION.c.version)).scalar_one())


def migrate(db: Connection) -> None:
    """Bring a store up to date, within the caller's transaction."""
    for step in MIGRATIONS[version_of(db) :]:
        step(db)
    db.execute(update(VERSION).values(version=len(MIGRATIONS)))
