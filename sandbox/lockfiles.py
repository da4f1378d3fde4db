"""Reads lock files: `pylock.toml` (PEP 751), `uv.lock` and `poetry.lock`; only reads them.

What a project declares is followed through the lock, with markers and extras, to the exact
releases that its authors tested with. What the lock does not know stays as it was declared.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from packaging.markers import InvalidMarker, Marker, UndefinedEnvironmentName, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sandbox.declarations import ProjectError, read_text, strings, table

_MAX_LOCK_BYTES = 32 * 1024 * 1024
_TEST_GROUPS = frozenset({"test", "tests", "testing", "dev", "develop", "development"})


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
    """Where it comes from if that is not the package index: `git`, `directory`, `url` …"""
    markers: tuple[str, ...] = ()
    """It is meant where any of these holds; without any, everywhere."""
    needs: tuple[Needed, ...] = ()
    extras: Mapping[str, tuple[Needed, ...]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A whole lock file."""

    file: str
    packages: Mapping[str, tuple[Locked, ...]]
    is_complete: bool = False
    """It is itself the list of what is installed (`pylock.toml`), not a graph to walk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """Requirements after the lock was applied, and what had to be left out with the reason."""

    lines: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def read_lock(root: Path) -> Lock | None:
    """Return the project's lock, None if it has none; the standard's comes before uv's, Poetry's.

    Raises:
        ProjectError: If the file is not TOML.
    """
    for name, read in (("pylock.toml", _pylock), ("uv.lock", _uv), ("poetry.lock", _poetry)):
        text = read_text(root / name, max_bytes=_MAX_LOCK_BYTES)
        if text is None:
            continue
        try:
            data = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ProjectError(f"{name} is not valid TOML: {error}") from error
        return _grouped(name, read(data), is_complete=read is _pylock)
    return None


def pin(requirements: Iterable[str], lock: Lock, *, own_name: str = "") -> Pinned:
    """Replace each requirement by the locked release, and add those that it needs in turn.

    `requirements` are valid requirement lines; so are the lines that come back. Markers are judged
    for Linux and the version of this Python, which is what the image has. The project itself
    (`own_name`) is never a requirement of itself.
    """
    walk = _Walk(lock, own_name=canonicalize_name(own_name) if own_name else "")
    for line in requirements:
        walk.add(Requirement(line))
    if lock.is_complete:
        walk.add_all()
    walk.run()
    return Pinned(lines=tuple(sorted(walk.lines)), skipped=tuple(sorted(walk.skipped)))


class _Walk:
    """Follows requirements through the lock; every (package, extra) is visited once."""

    def __init__(self, lock: Lock, *, own_name: str) -> None:
        self._lock = lock
        self._own_name = own_name
        self._queue: list[Needed] = []
        self._seen: set[tuple[str, str]] = set()
        self._environment = _environment()
        self.lines: dict[str, None] = {}
        self.skipped: dict[str, None] = {}

    def add(self, declared: Requirement) -> None:
        """Begin at what the project declares; keep it as it is where the lock has no answer."""
        if declared.marker and not _holds(str(declared.marker), self._environment):
            return
        name = canonicalize_name(declared.name)
        locked = self._find(Needed(name=name))
        if locked is None:
            self.lines[str(declared)] = None
        elif not locked.origin and not declared.specifier.contains(
            locked.version, prereleases=True
        ):
            self.lines[str(declared)] = None
            self.skipped[
                f"{self._lock.file} has {name} {locked.version}, but {declared} is declared: "
                "the declaration is followed; update the lock file"
            ] = None
        else:
            self._queue.append(Needed(name=name, extras=tuple(sorted(declared.extras))))

    def add_all(self) -> None:
        """Take every release of the lock that is meant for this environment."""
        self._queue += [Needed(name=name) for name in self._lock.packages]

    def run(self) -> None:
        while self._queue:
            needed = self._queue.pop()
            if needed.name == self._own_name:
                continue
            if needed.marker and not _holds(needed.marker, self._environment):
                continue
            locked = self._find(needed)
            if locked is not None:
                self._take(locked, needed.extras)

    def _take(self, locked: Locked, extras: Sequence[str]) -> None:
        if locked.origin:
            self.skipped[
                f"{locked.name} {locked.version}: {self._lock.file} takes it from "
                f"{locked.origin}; only releases from the package index are fetched"
            ] = None
            return
        if (locked.name, "") not in self._seen:
            self._seen.add((locked.name, ""))
            self.lines[f"{locked.name}=={locked.version}"] = None
            self._queue += locked.needs
        for extra in extras:
            if (locked.name, extra) not in self._seen:
                self._seen.add((locked.name, extra))
                self._queue += locked.extras.get(canonicalize_name(extra), ())

    def _find(self, needed: Needed) -> Locked | None:
        """The release that is meant here: the newest of those whose markers hold."""
        fitting = [
            locked
            for locked in self._lock.packages.get(needed.name, ())
            if not locked.markers
            or any(_holds(marker, self._environment) for marker in locked.markers)
        ]
        allowed = [locked for locked in fitting if _allows(needed.versions, locked.version)]
        return max(allowed or fitting, key=lambda locked: Version(locked.version), default=None)


def _environment() -> dict[str, Any]:
    """What markers are judged by."""
    return {
        **default_environment(),
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "extra": "",
        "extras": frozenset(_TEST_GROUPS),
        "dependency_groups": frozenset(_TEST_GROUPS),
    }


def _holds(marker: str, environment: Mapping[str, Any]) -> bool:
    """Whether a marker holds; one that cannot be understood does, as if it were not there."""
    try:
        return Marker(marker).evaluate(dict(environment), context="lock_file")
    except (InvalidMarker, UndefinedEnvironmentName, InvalidVersion, KeyError, RecursionError):
        return True


def _allows(versions: str, version: str) -> bool:
    try:
        return SpecifierSet(versions).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True


def _grouped(file: str, found: Iterable[Locked], *, is_complete: bool) -> Lock:
    packages: dict[str, tuple[Locked, ...]] = {}
    for locked in found:
        if _is_release(locked):
            packages[locked.name] = (*packages.get(locked.name, ()), locked)
    return Lock(file=file, packages=packages, is_complete=is_complete)


def _is_release(locked: Locked) -> bool:
    """Whether name and version are what they claim to be; they end up in requirement lines."""
    try:
        Version(locked.version)
        return Requirement(f"{locked.name}=={locked.version}").name == locked.name
    except (InvalidVersion, InvalidRequirement):
        return False


def _tables(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _name(entry: Mapping[str, Any]) -> str:
    return canonicalize_name(_text(entry.get("name")))


def _pylock(data: Mapping[str, Any]) -> Iterator[Locked]:
    for entry in _tables(data.get("packages")):
        origins = [kind for kind in ("vcs", "directory", "archive") if kind in entry]
        marker = _text(entry.get("marker"))
        yield Locked(
            name=_name(entry),
            version=_text(entry.get("version")) or "0",
            origin=origins[0] if origins else "",
            markers=(marker,) if marker else (),
        )


def _uv(data: Mapping[str, Any]) -> Iterator[Locked]:
    for entry in _tables(data.get("package")):
        origins = [kind for kind in table(entry, "source") if kind != "registry"]
        extras = table(entry, "optional-dependencies")
        yield Locked(
            name=_name(entry),
            version=_text(entry.get("version")) or "0",
            origin=origins[0] if origins else "",
            markers=tuple(strings(entry.get("resolution-markers"))),
            needs=tuple(_uv_needs(entry.get("dependencies"))),
            extras={canonicalize_name(e): tuple(_uv_needs(v)) for e, v in extras.items()},
        )


def _uv_needs(value: object) -> Iterator[Needed]:
    for edge in _tables(value):
        version = _text(edge.get("version"))
        yield Needed(
            name=_name(edge),
            extras=tuple(strings(edge.get("extra"))),
            marker=_text(edge.get("marker")),
            versions=f"=={version}" if version else "",
        )


def _poetry(data: Mapping[str, Any]) -> Iterator[Locked]:
    for entry in _tables(data.get("package")):
        origin = _text(table(entry, "source").get("type"))
        extras = table(entry, "extras")
        needs, optional = _poetry_needs(table(entry, "dependencies"))
        yield Locked(
            name=_name(entry),
            version=_text(entry.get("version")),
            origin="" if origin == "legacy" else origin,  # that is what it calls another index
            markers=_poetry_markers(entry),
            needs=needs,
            extras={
                canonicalize_name(extra): tuple(_poetry_extra(strings(lines), optional))
                for extra, lines in extras.items()
            },
        )


def _poetry_markers(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The release's own markers: one text, or one for each group; and the Pythons it is for."""
    markers = entry.get("markers")
    given = list(markers.values()) if isinstance(markers, dict) else [markers]
    if found := tuple(text for text in given if isinstance(text, str) and text):
        return found
    parts = [part.strip() for part in _text(entry.get("python-versions")).split(",")]
    try:
        SpecifierSet(",".join(parts))
    except InvalidSpecifier:
        return ()
    return (" and ".join(_python_marker(part) for part in parts),) if all(parts) else ()


def _python_marker(part: str) -> str:
    digits = part.lstrip("<>=!~ ")
    operator = part[: len(part) - len(digits)].strip()
    return f"python_full_version {operator} '{digits}'"


def _poetry_needs(
    dependencies: Mapping[str, Any],
) -> tuple[tuple[Needed, ...], Mapping[str, Needed]]:
    """What is always needed, and what only an extra asks for, by name."""
    always: list[Needed] = []
    optional: dict[str, Needed] = {}
    for name, value in dependencies.items():
        for spec in value if isinstance(value, list) else [value]:
            details = spec if isinstance(spec, dict) else {"version": spec}
            needed = Needed(
                name=canonicalize_name(name),
                extras=tuple(strings(details.get("extras"))),
                marker=_text(details.get("markers")),
                versions=_text(details.get("version")).removeprefix("*"),
            )
            if details.get("optional") is True:
                optional[needed.name] = needed
            else:
                always.append(needed)
    return tuple(always), optional


def _poetry_extra(lines: Sequence[str], optional: Mapping[str, Needed]) -> Iterator[Needed]:
    for line in lines:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        name = canonicalize_name(wanted.name)
        known = optional.get(name, Needed(name=name))
        # its marker says `extra == "…"`, which is what brought us here
        yield Needed(
            name=name,
            extras=tuple(sorted({*known.extras, *wanted.extras})),
            versions=known.versions,
        )
