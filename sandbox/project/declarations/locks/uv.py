"""Reads `uv.lock`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name

from sandbox.project.declarations.locks.model import Locked, Needed, name_of
from sandbox.project.declarations.reading import strings, table, tables, text_of


def read_uv(data: Mapping[str, Any]) -> Iterator[Locked]:
    """Yield the packages of a `uv.lock`."""
    for entry in tables(data.get("package")):
        source = table(entry, "source")
        origins = [kind for kind in source if kind != "registry"]
        folders = (text_of(source.get(kind)) for kind in ("editable", "directory", "virtual"))
        extras = table(entry, "optional-dependencies")
        yield Locked(
            name=name_of(entry),
            version=text_of(entry.get("version")) or "0",
            origin=origins[0] if origins else "",
            path=next(filter(None, folders), ""),
            index=text_of(source.get("registry")),
            markers=tuple(strings(entry.get("resolution-markers"))),
            needs=tuple(_needs(entry.get("dependencies"))),
            extras={canonicalize_name(e): tuple(_needs(v)) for e, v in extras.items()},
        )


def _needs(value: object) -> Iterator[Needed]:
    for edge in tables(value):
        version = text_of(edge.get("version"))
        yield Needed(
            name=name_of(edge),
            extras=tuple(strings(edge.get("extra"))),
            marker=text_of(edge.get("marker")),
            versions=f"=={version}" if version else "",
        )
