"""Connects to the database of a team: which addresses there are, and how each kind is opened."""

from __future__ import annotations

import os

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from learning.team.errors import TeamAddressError

_CONNECT_TIMEOUT_S = 10


def address_of(url: str) -> tuple[URL, str]:
    """The address of a store as a driver takes it, and in words without a password.

    Raises:
        TeamAddressError: If it is none that a store can have.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as err:
        raise TeamAddressError(_EXAMPLES.format("that is no address of a database")) from err
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        parsed = parsed.set(drivername="postgresql+psycopg")
        host = parsed.host or str(parsed.query.get("host", ""))
        chosen = "sslmode" in parsed.query or "PGSSLMODE" in os.environ
        if not _is_local(host) and not chosen:
            # libpq would go on without encryption where the server offers none
            parsed = parsed.update_query_dict({"sslmode": "require"})
        return parsed, f"the database {parsed.database or ''} at {host or 'this machine'}"
    if parsed.drivername == "sqlite" and (parsed.database or "").startswith("/"):
        return parsed, str(parsed.database)
    raise TeamAddressError(
        _EXAMPLES.format(f"{parsed.render_as_string()} is no address of a team's store")
    )


_EXAMPLES = (
    "{}: it looks like postgresql://NAME@HOST/DATABASE, or sqlite:////srv/team/store.sqlite3 for"
    " people of one machine"
)


def _is_local(host: str) -> bool:
    return not host or host.startswith("/") or host in ("localhost", "127.0.0.1", "::1")


def engine_for(url: URL) -> Engine:
    """The engine of an address; it keeps no connection open that nobody uses."""
    if url.drivername != "sqlite":
        arguments = {"connect_timeout": _CONNECT_TIMEOUT_S, "application_name": "elagent"}
        return create_engine(url, poolclass=NullPool, connect_args=arguments)
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"timeout": 30, "isolation_level": None}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]  # a DBAPI connection
    for pragma in ("foreign_keys = ON", "secure_delete = ON", "synchronous = FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begin the transaction now: the driver waits for the first change, and has none for tables."""
    writes = connection.get_execution_options().get("elagent_writes", False)
    # IMMEDIATE takes the write lock at once: two members queue up instead of colliding.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def login_of(db: Connection) -> str:
    """The member's name as PostgreSQL knows it, or empty for a database without logins."""
    if db.dialect.name != "postgresql":
        return ""
    return str(db.execute(text("SELECT current_user")).scalar_one())
