"""The adapters in a team's store: their rows, manifests and sources. Their files lie in the bucket."""

from __future__ import annotations

import dataclasses
import json
import time

from sqlalchemy import insert, select

from learning.promotion.manifest import manifest_text
from learning.team.database import TeamDatabase, insert_new
from learning.team.errors import TeamError
from learning.team.members import Members
from learning.team.reading import MAX_MANIFEST_CHARACTERS, read_shared
from learning.team.schema import ADAPTERS, IS_TAINTED, SOURCES
from learning.team.values import Lineage, Role, SharedAdapter


class SharedAdapters:
    """The adapters of a team, as one member may see and offer them."""

    def __init__(self, database: TeamDatabase, members: Members, *, me: str) -> None:
        """`me` is the name of the member who is connected."""
        self._database = database
        self._members = members
        self._me = me

    def all(self) -> tuple[SharedAdapter, ...]:
        """All adapters of the team, oldest first.

        Raises:
            TeamError: If the database cannot be read.
        """
        names = [field.name for field in dataclasses.fields(SharedAdapter)][:-1]
        wanted = select(*(ADAPTERS.c[name] for name in names), IS_TAINTED.label("tainted"))
        with self._database.reading() as db:
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
        with self._database.reading() as db:
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

    def add(self, lineage: Lineage, *, project: str, size_bytes: int) -> bool:
        """Offer an adapter whose files are in the bucket already; false if it was offered before.

        Raises:
            TeamError: If the member may not, or the database fails; nothing is offered then.
        """
        self._members.need(Role.CONTRIBUTOR)
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
        with self._database.writing() as db:
            if not insert_new(db, ADAPTERS, [row]):
                return False
            if sources:
                db.execute(insert(SOURCES), sources)
        return True
