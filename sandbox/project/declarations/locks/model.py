"""Content of a lock file, in one form for all tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from sandbox.project.declarations.items import parsed
from sandbox.project.declarations.reading import text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """One edge of the locked graph."""

    name: str
    """Normalised, as in all of this module."""
    extras: tuple[str, ...] = ()
    marker: str = ""
    versions: str = ""
    """A specifier, for telling apart several locked releases of one package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """One release in the lock."""

    name: str
    version: str
    origin: str = ""
    """Origin of the release if that is not the package index: `git`, `directory`, `url` …"""
    path: str = ""
    """Folder as the lock writes it, if the release is a project in a folder."""
    index: str = ""
    """The index it comes from, if the lock says so."""
    markers: tuple[str, ...] = ()
    """Markers, any of which must hold for the release to apply; without any it always applies."""
    needs: tuple[Needed, ...] = ()
    extras: Mapping[str, tuple[Needed, ...]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A whole lock file."""

    file: str
    packages: Mapping[str, tuple[Locked, ...]]
    fault: str = ""
    """A sentence about what is wrong with it, although it was read."""
    is_complete: bool = False
    """True if the lock is itself the list to install (`pylock.toml`), not a graph to walk."""

    def folders(self) -> dict[str, str]:
        """Return the paths of the projects that it takes from folders, by their names."""
        found = (locked for versions in self.packages.values() for locked in versions)
        return {locked.name: locked.path for locked in found if locked.path}


def name_of(entry: Mapping[str, Any]) -> str:
    """Return the normalised name of an entry."""
    return canonicalize_name(text_of(entry.get("name")))


def needed_by(lines: Iterator[str] | list[str]) -> Iterator[Needed]:
    """Turn requirement lines into edges; a line that cannot be read is none."""
    for line in lines:
        if wanted := parsed(line):
            yield Needed(
                name=canonicalize_name(wanted.name),
                extras=tuple(sorted(wanted.extras)),
                marker=str(wanted.marker or ""),
                versions=str(wanted.specifier),
            )


def python_marker(versions: str) -> str:
    """Turn the Pythons that a release is for, `>=3.9,<4`, into a marker; empty if it says none."""
    try:
        parts = SpecifierSet(versions if versions != "*" else "")
    except InvalidSpecifier:
        return ""
    return " and ".join(f"python_full_version {part.operator} '{part.version}'" for part in parts)
