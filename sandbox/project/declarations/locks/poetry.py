"""Reads `poetry.lock`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.utils import canonicalize_name

from sandbox.project.declarations.items import parsed
from sandbox.project.declarations.locks.model import Locked, Needed, name_of, python_marker
from sandbox.project.declarations.reading import strings, table, tables, text_of


def read_poetry(data: Mapping[str, Any]) -> Iterator[Locked]:
    """Yield the packages of a `poetry.lock`."""
    for entry in tables(data.get("package")):
        source = table(entry, "source")
        origin, url = text_of(source.get("type")), text_of(source.get("url"))
        extras = table(entry, "extras")
        needs, optional = _needs(table(entry, "dependencies"))
        yield Locked(
            name=name_of(entry),
            version=text_of(entry.get("version")),
            origin="" if origin == "legacy" else origin,  # that is what it calls another index
            path=url if origin == "directory" else "",
            index=url if origin == "legacy" else "",
            markers=_markers(entry),
            needs=needs,
            extras={
                canonicalize_name(extra): tuple(_extra(strings(lines), optional))
                for extra, lines in extras.items()
            },
        )


def _markers(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the release's markers (one text, or one for each group) and its Python versions."""
    markers = entry.get("markers")
    given = list(markers.values()) if isinstance(markers, dict) else [markers]
    if found := tuple(text for text in given if isinstance(text, str) and text):
        return found
    python = python_marker(text_of(entry.get("python-versions")))
    return (python,) if python else ()


def _needs(
    dependencies: Mapping[str, Any],
) -> tuple[tuple[Needed, ...], Mapping[str, Needed]]:
    """Return the requirements that always hold, and those of each extra by name."""
    always: list[Needed] = []
    optional: dict[str, Needed] = {}
    for name, value in dependencies.items():
        for spec in value if isinstance(value, list) else [value]:
            details = spec if isinstance(spec, dict) else {"version": spec}
            needed = Needed(
                name=canonicalize_name(name),
                extras=tuple(strings(details.get("extras"))),
                marker=text_of(details.get("markers")),
                versions=text_of(details.get("version")).removeprefix("*"),
            )
            if details.get("optional") is True:
                optional[needed.name] = needed
            else:
                always.append(needed)
    return tuple(always), optional


def _extra(lines: Sequence[str], optional: Mapping[str, Needed]) -> Iterator[Needed]:
    for line in lines:
        wanted = parsed(line)
        if wanted is None:
            continue
        name = canonicalize_name(wanted.name)
        known = optional.get(name, Needed(name=name))
        # its marker says `extra == "…"`, which is what brought us here
        yield Needed(
            name=name,
            extras=tuple(sorted({*known.extras, *wanted.extras})),
            versions=known.versions,
        )
