"""One connection to a team's database, and the transactions on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from learning.team.failures import explained


class TeamDatabase:
    """The database as one member is connected to it. Errors of it leave as sentences (`failures`)."""

    def __init__(self, engine: Engine, connection: Connection, *, place: str) -> None:
        self.place = place
        """The database in words, without a password."""
        self._engine = engine
        self._connection = connection

    @property
    def is_postgres(self) -> bool:
        """True for PostgreSQL, false for SQLite."""
        return self._engine.dialect.name == "postgresql"

    def close(self) -> None:
        """End the connection; one that is broken already is given up. Safe to call twice."""
        # nothing is pending: each write has its own commit
        with contextlib.suppress(SQLAlchemyError):
            self._connection.close()
        self._engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read within one transaction.

        Raises:
            TeamError: If the database cannot be read.
        """
        with explained(self.place), self._connection.begin():
            yield self._connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Write within one transaction, all of it or nothing.

        Raises:
            TeamError: If the database does not take it.
        """
        with explained(self.place):
            if not self.is_postgres:
                self._connection.execution_options(elagent_writes=True)
            try:
                with self._connection.begin():
                    yield self._connection
            finally:
                if not self.is_postgres:
                    self._connection.execution_options(elagent_writes=False)


def insert_new(db: Connection, into: Table, rows: Sequence[Mapping[str, object]]) -> int:
    """Insert the rows that are not there yet; return their number."""
    dialect = postgresql if db.dialect.name == "postgresql" else sqlite
    new = 0
    for row in rows:
        once = dialect.insert(into).values(row).on_conflict_do_nothing()
        # psycopg does not say how many rows an insertion made
        new += db.execute(once.returning(*into.primary_key)).first() is not None
    return new
