"""Reads `pdm.lock`: a release has an entry for itself, and one for each choice of its extras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from packaging.utils import canonicalize_name

from sandbox.project.declarations.locks.model import Locked, name_of, needed_by
from sandbox.project.declarations.reading import strings, tables, text_of


def read_pdm(data: Mapping[str, Any]) -> Iterator[Locked]:
    """Yield the packages of a `pdm.lock`."""
    found: dict[tuple[str, str], Locked] = {}
    for entry in tables(data.get("package")):
        version = text_of(entry.get("version")) or "0"
        key = (name_of(entry), version)
        known = found.get(key) or _release(entry, version)
        edges = tuple(needed_by(strings(entry.get("dependencies"))))
        if chosen := strings(entry.get("extras")):
            added = {str(canonicalize_name(extra)): edges for extra in chosen}
            found[key] = replace(known, extras={**known.extras, **added})
        else:
            found[key] = replace(known, needs=edges)
    return iter(found.values())


def _release(entry: Mapping[str, Any], version: str) -> Locked:
    origins = (kind for kind in ("git", "hg", "svn", "url", "path") if kind in entry)
    marker = text_of(entry.get("marker"))
    return Locked(
        name=name_of(entry),
        version=version,
        origin=next(origins, ""),
        path=text_of(entry.get("path")),
        markers=(marker,) if marker else (),
    )
