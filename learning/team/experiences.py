"""The experiences in a team's store: added by their member, read by it and by administrators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, delete, select

from learning.experience.codec import ExperienceError
from learning.experience.rows import COLUMNS, ExperienceRow, from_columns
from learning.records import Experience
from learning.team.database import TeamDatabase, insert_new
from learning.team.errors import TeamError
from learning.team.members import Members
from learning.team.schema import EXPERIENCES
from learning.team.values import Role

_BATCH = 50


class SharedExperiences:
    """The experiences of a team, as one member may see and add to them."""

    def __init__(self, database: TeamDatabase, members: Members, *, me: str) -> None:
        """`me` is the name of the member who is connected."""
        self._database = database
        self._members = members
        self._me = me

    def digests(self) -> Mapping[str, str]:
        """Digest by id of the member's own experiences in the store.

        Raises:
            TeamError: If the database cannot be read.
        """
        with self._database.reading() as db:
            wanted = select(EXPERIENCES.c.id, EXPERIENCES.c.digest)
            rows = db.execute(wanted.where(EXPERIENCES.c.member == self._me)).all()
        return {row.id: row.digest for row in rows}

    def add(
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
        self._members.need(Role.CONTRIBUTOR)
        added = 0
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            with self._database.writing() as db:
                added += sum(self._add(db, row, project) for row in batch)
            done(start + len(batch))
        return added

    def _add(self, db: Connection, row: ExperienceRow, project: str) -> bool:
        mine = EXPERIENCES.c.member == self._me
        earlier = (mine, EXPERIENCES.c.id == row.id, EXPERIENCES.c.digest != row.digest)
        db.execute(delete(EXPERIENCES).where(*earlier))
        values = {column: getattr(row, column) for column in COLUMNS}
        values |= {"member": self._me, "digest": row.digest, "project": project}
        return insert_new(db, EXPERIENCES, [values]) > 0

    def readable(self) -> Iterator[Experience]:
        """The experiences that the member may read: its own, or everybody's for an administrator.

        Raises:
            TeamError: If the database cannot be read, or a row is damaged.
        """
        wanted = select(
            *(EXPERIENCES.c[name] for name in ("body", "prompt_ids", "token_ids", "logprobs"))
        ).order_by(EXPERIENCES.c.created_at, EXPERIENCES.c.member, EXPERIENCES.c.id)
        if not self._members.role().covers(Role.ADMINISTRATOR):
            wanted = wanted.where(EXPERIENCES.c.member == self._me)
        with self._database.reading() as db:
            rows = db.execute(wanted).all()
        for row in rows:
            try:
                yield from_columns(*row)
            except (ExperienceError, TypeError, ValueError, AttributeError, OverflowError) as err:
                raise TeamError(
                    f"{self._database.place} holds a damaged experience: {err}"
                ) from err
