"""The notes on libraries in a team's store: names of changed APIs and shapes of calls, for all members."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import delete, select

from learning.contexts.notes import LibraryNote, NoteError
from learning.team.database import TeamDatabase, insert_new
from learning.team.members import Members
from learning.team.schema import NOTES
from learning.team.values import Role

MOST_NOTES = 5_000
"""Notes of a project that are read: more than its libraries change."""


class SharedNotes:
    """The notes of a team, as one member may see and add to them."""

    def __init__(self, database: TeamDatabase, members: Members, *, me: str) -> None:
        """`me` is the name of the member who is connected."""
        self._database = database
        self._members = members
        self._me = me

    def mine(self, project: str) -> frozenset[LibraryNote]:
        """The member's own notes of a project.

        Raises:
            TeamError: If the database cannot be read.
        """
        return frozenset(self._read(NOTES.c.project == project, NOTES.c.member == self._me)[0])

    def of_others(self, project: str) -> tuple[tuple[LibraryNote, ...], int]:
        """The other members' notes of a project, and how many were left out because of their form.

        Raises:
            TeamError: If the database cannot be read.
        """
        return self._read(NOTES.c.project == project, NOTES.c.member != self._me)

    def add(self, notes: Sequence[LibraryNote], *, project: str) -> int:
        """Add notes of the member, each in place of its earlier one on the same change; return their number.

        Raises:
            TeamError: If the member may not, or the database fails; none is added then.
        """
        self._members.need(Role.CONTRIBUTOR)
        with self._database.writing() as db:
            for note in notes:
                key = {
                    "member": self._me,
                    "project": project,
                    "library": note.library,
                    "version": note.version,
                    "api": note.api,
                }
                db.execute(delete(NOTES).where(*(NOTES.c[name] == key[name] for name in key)))
                insert_new(db, NOTES, [{**key, "note": note.note, "shared_at": time.time()}])
        return len(notes)

    def _read(self, *where: object) -> tuple[tuple[LibraryNote, ...], int]:
        columns = (NOTES.c.library, NOTES.c.version, NOTES.c.api, NOTES.c.note)
        wanted = select(*columns).where(*where)  # type: ignore[arg-type]  # SQLAlchemy's own clauses
        with self._database.reading() as db:
            rows = db.execute(wanted.order_by(NOTES.c.shared_at).limit(MOST_NOTES)).all()
        found: dict[LibraryNote, None] = {}
        strange = 0
        for row in rows:
            try:
                found[LibraryNote(**row._mapping)] = None  # noqa: SLF001 - a named tuple's own
            except NoteError:
                strange += 1
        return tuple(found), strange
