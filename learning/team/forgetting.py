"""The experiences that members forgot: erased, and remembered only by their ids."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import Connection, delete, exists, select

from learning.team.database import TeamDatabase, insert_new
from learning.team.schema import EXPERIENCES, FORGOTTEN, SOURCES


class Forgotten:
    """The forgotten experiences of a team, to which each member adds its own."""

    def __init__(self, database: TeamDatabase, *, me: str) -> None:
        """`me` is the name of the member who is connected."""
        self._database = database
        self._me = me

    def add(self, ids: Iterable[str]) -> int:
        """Erase the member's experiences and taint for all what was made of them; how many were new.

        An id counts if the store has it as a row of the member or behind an adapter.

        Raises:
            TeamError: If the database fails; nothing is forgotten then.
        """
        wanted = sorted(set(ids))
        with self._database.writing() as db:
            here = [id_ for id_ in wanted if self._has(db, id_)]
            rows = [
                {"member": self._me, "experience": id_, "forgotten_at": time.time()} for id_ in here
            ]
            new = insert_new(db, FORGOTTEN, rows)
            for id_ in here:
                mine = (EXPERIENCES.c.member == self._me, EXPERIENCES.c.id == id_)
                db.execute(delete(EXPERIENCES).where(*mine))
        return new

    def _has(self, db: Connection, id_: str) -> bool:
        row = exists().where(EXPERIENCES.c.member == self._me, EXPERIENCES.c.id == id_)
        behind = exists().where(SOURCES.c.member == self._me, SOURCES.c.experience == id_)
        return bool(db.execute(select(row | behind)).scalar_one())

    def all(self) -> frozenset[tuple[str, str]]:
        """Member and id of each experience that its owner forgot.

        Raises:
            TeamError: If the database cannot be read.
        """
        with self._database.reading() as db:
            rows = db.execute(select(FORGOTTEN.c.member, FORGOTTEN.c.experience)).all()
        return frozenset((row.member, row.experience) for row in rows)
