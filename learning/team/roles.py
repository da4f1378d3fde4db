"""The roles of a team, and the grants and policies by which PostgreSQL itself keeps them.

A store in a file has no such keeper: there, only this program looks at a member's role.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, text

from learning.team.errors import TeamError
from learning.team.values import Role

_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,40}")
_TABLES = "members, experiences, adapters, sources, forgotten, notes, elagent_version"
_KEPT = ("members", "experiences", "adapters", "sources", "forgotten", "notes")


def protect(db: Connection) -> None:
    """Make the groups, grants and policies of the team in this PostgreSQL database, anew if needed.

    Raises:
        TeamError: If the database has a name that they cannot be named after.
    """
    for statement in _statements(_groups(db)):
        db.execute(text(statement))


def give(db: Connection, name: str, role: Role | None) -> None:
    """Put a login of PostgreSQL into the group of a role, and out of the others.

    Raises:
        TeamError: If there is no such login, or the server keeps a grant of somebody else.
    """
    login, groups = _quoted(checked_name(name)), _groups(db)
    if not _is_there(db, name):
        raise TeamError(
            f"PostgreSQL has no login {name!r}: make it first, with"
            f" `CREATE ROLE {login} LOGIN PASSWORD '...'`"
        )
    everywhere = role is Role.ADMINISTRATOR
    for each, group in groups.items():
        if each is role or everywhere:
            giving = " WITH ADMIN OPTION" if everywhere else ""
            db.execute(text(f"GRANT {_quoted(group)} TO {login}{giving}"))
        elif _is_in(db, name, group):
            db.execute(text(f"REVOKE {_quoted(group)} FROM {login}"))
            if _is_in(db, name, group):
                raise TeamError(
                    f"PostgreSQL keeps {name!r} in {group}, because somebody else gave that:"
                    " the owner of the database, or who gave it, changes the role"
                )


def checked_name(name: str) -> str:
    """Return the name if it can be a member's, or a database's that groups are named after.

    Raises:
        TeamError: If it has other characters, or too many.
    """
    if not _NAME.fullmatch(name):
        raise TeamError(
            f"{name!r} is no name for a team's store: at most 40 letters, digits and . _ - @"
        )
    return name


def _is_there(db: Connection, login: str) -> bool:
    found = db.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": login})
    return found.first() is not None


def _is_in(db: Connection, login: str, group: str) -> bool:
    found = db.execute(
        text(
            "SELECT 1 FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid"
            " JOIN pg_roles l ON l.oid = m.member WHERE g.rolname = :group AND l.rolname = :login"
        ),
        {"group": group, "login": login},
    )
    return found.first() is not None


def _statements(names: Mapping[Role, str]) -> Iterator[str]:
    groups = {role: _quoted(name) for role, name in names.items()}
    for role, group in groups.items():
        yield (
            "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles"  # noqa: S608 - checked names
            f" WHERE rolname = '{names[role]}') THEN CREATE ROLE {group} NOLOGIN; END IF; END $$"
        )
    everyone = ", ".join(groups.values())
    admins = groups[Role.ADMINISTRATOR]
    givers = f"{groups[Role.CONTRIBUTOR]}, {admins}"
    yield f"REVOKE ALL ON {_TABLES} FROM PUBLIC"
    yield f"REVOKE ALL ON {_TABLES} FROM {everyone}"
    yield f"GRANT SELECT ON {_TABLES} TO {everyone}"
    yield f"GRANT DELETE ON experiences TO {everyone}"
    yield f"GRANT INSERT ON forgotten TO {everyone}"
    yield f"GRANT INSERT ON experiences, adapters, sources, notes TO {givers}"
    yield f"GRANT DELETE ON adapters, notes TO {givers}"
    yield f"GRANT INSERT, UPDATE, DELETE ON members TO {admins}"
    for table in _KEPT:
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    admin = f"pg_has_role(current_user, '{names[Role.ADMINISTRATOR]}', 'MEMBER')"
    mine = "member = current_user"
    own_adapter = (
        "EXISTS (SELECT 1 FROM adapters a WHERE a.digest = adapter AND a.member = current_user)"
    )
    yield from _policy("members", "ALL", using=admin, check=admin)
    yield from _policy("members", "SELECT", using="true")
    yield from _policy("experiences", "SELECT", using=f"{mine} OR {admin}")
    yield from _policy("experiences", "INSERT", check=mine)
    yield from _policy("experiences", "DELETE", using=f"{mine} OR {admin}")
    yield from _policy("adapters", "SELECT", using="true")
    yield from _policy("adapters", "INSERT", check=mine)
    yield from _policy("adapters", "DELETE", using=f"{mine} OR {admin}")
    yield from _policy("notes", "SELECT", using="true")
    yield from _policy("notes", "INSERT", check=mine)
    yield from _policy("notes", "DELETE", using=f"{mine} OR {admin}")
    yield from _policy("sources", "SELECT", using="true")
    yield from _policy("sources", "INSERT", check=own_adapter)
    yield from _policy("forgotten", "SELECT", using="true")
    yield from _policy("forgotten", "INSERT", check=f"{mine} OR {admin}")


def _policy(table: str, command: str, *, using: str = "", check: str = "") -> Iterator[str]:
    name = f"elagent_{table}_{command.lower()}"
    yield f"DROP POLICY IF EXISTS {name} ON {table}"
    clauses = (f" USING ({using})" if using else "") + (f" WITH CHECK ({check})" if check else "")
    yield f"CREATE POLICY {name} ON {table} FOR {command}{clauses}"


def _groups(db: Connection) -> Mapping[Role, str]:
    """The group of each role: groups belong to the whole server, so the database is in the name."""
    database = checked_name(db.execute(text("SELECT current_database()")).scalar_one())
    return {role: f"elagent_{database}_{role.value}" for role in Role}


def _quoted(name: str) -> str:
    return f'"{name}"'
