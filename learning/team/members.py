"""The members of a team and their roles."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from learning.team import roles
from learning.team.database import TeamDatabase
from learning.team.errors import TeamError, TeamRefusedError
from learning.team.roles import checked_name
from learning.team.schema import MEMBERS
from learning.team.values import Member, Role


class Members:
    """The members of a team, as one of them may see and change them."""

    def __init__(self, database: TeamDatabase, *, me: str) -> None:
        """`me` is the name of the member who is connected."""
        self._database = database
        self._me = me

    def all(self) -> tuple[Member, ...]:
        """All members, by name.

        Raises:
            TeamError: If the database cannot be read.
        """
        with self._database.reading() as db:
            rows = db.execute(select(MEMBERS).order_by(MEMBERS.c.name)).all()
        return tuple(Member(name=row.name, role=Role(row.role)) for row in rows)

    def role(self) -> Role:
        """The role of the member who is connected.

        Raises:
            TeamRefusedError: If it is no member.
        """
        for member in self.all():
            if member.name == self._me:
                return member.role
        raise TeamRefusedError(
            f"{self._me} is no member of the team at {self._database.place}:"
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
        others = (m for m in self.all() if m.name != name and m.role is Role.ADMINISTRATOR)
        if role is not Role.ADMINISTRATOR and not any(others):
            raise TeamError(f"{name} is the only administrator: make somebody else one first")
        with self._database.writing() as db:
            db.execute(delete(MEMBERS).where(MEMBERS.c.name == name))
            if role is not None:
                db.execute(insert(MEMBERS).values(name=name, role=role.value))
            if self._database.is_postgres:
                roles.give(db, name, role)
