"""Follows what a project declares through its lock file, with markers and extras.

The releases are those that the authors tested with. What the lock does not know stays as it was
declared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.markers import InvalidMarker, Marker, UndefinedEnvironmentName, default_environment
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sandbox.project.declarations.locks.model import Lock, Locked, Needed

_TEST_GROUPS = frozenset({"test", "tests", "testing", "dev", "develop", "development"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """Requirements after the lock was applied, and what had to be left out with the reason."""

    lines: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def pin(requirements: Iterable[str], lock: Lock, *, local: Collection[str] = ()) -> Pinned:
    """Replace each requirement by the locked release, and add those that it needs in turn.

    `requirements` are valid requirement lines; so are the lines that come back. Markers are judged
    for Linux and the version of this Python, which is what the image has. Names that are `local`, the
    project's own among them, are put in from their folders: only what they need is followed.
    """
    walk = _Walk(lock, frozenset(canonicalize_name(name) for name in local))
    for line in requirements:
        walk.add(Requirement(line))
    if lock.is_complete:
        walk.add_all()
    walk.run()
    return Pinned(lines=tuple(sorted(walk.lines)), skipped=tuple(sorted(walk.skipped)))


class _Walk:
    """Follows requirements through the lock; every (package, extra) is visited once."""

    def __init__(self, lock: Lock, local: frozenset[str]) -> None:
        self._lock = lock
        self._local = local
        self._queue: list[Needed] = []
        self._seen: set[tuple[str, str]] = set()
        self._environment = box_environment()
        self.lines: dict[str, None] = {}
        self.skipped: dict[str, None] = {}

    def add(self, declared: Requirement) -> None:
        """Begin at what the project declares; keep it as it is where the lock has no answer."""
        if declared.marker and not holds(str(declared.marker), self._environment):
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
            if needed.marker and not holds(needed.marker, self._environment):
                continue
            locked = self._find(needed)
            if locked is not None:
                self._take(locked, needed.extras)

    def _take(self, locked: Locked, extras: Sequence[str]) -> None:
        if locked.name in self._local:
            self._follow(locked, extras)
        elif locked.origin:
            self.skipped[
                f"{locked.name} {locked.version}: {self._lock.file} takes it from "
                f"{locked.origin}; only releases from the package index are fetched"
            ] = None
        else:
            self.lines[f"{locked.name}=={locked.version}"] = None
            self._follow(locked, extras)

    def _follow(self, locked: Locked, extras: Sequence[str]) -> None:
        if (locked.name, "") not in self._seen:
            self._seen.add((locked.name, ""))
            self._queue += locked.needs
        for extra in extras:
            if (locked.name, extra) not in self._seen:
                self._seen.add((locked.name, extra))
                self._queue += locked.extras.get(canonicalize_name(extra), ())

    def _find(self, needed: Needed) -> Locked | None:
        """Return the release that applies here: the newest whose markers hold."""
        fitting = [
            locked
            for locked in self._lock.packages.get(needed.name, ())
            if not locked.markers
            or any(holds(marker, self._environment) for marker in locked.markers)
        ]
        allowed = [locked for locked in fitting if _allows(needed.versions, locked.version)]
        return max(allowed or fitting, key=lambda locked: Version(locked.version), default=None)


def box_environment() -> dict[str, Any]:
    """Values by which markers are evaluated."""
    return {
        **default_environment(),
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "extra": "",
        "extras": frozenset(_TEST_GROUPS),
        "dependency_groups": frozenset(_TEST_GROUPS),
    }


def holds(marker: str, environment: Mapping[str, Any]) -> bool:
    """True if a marker holds, and for an unreadable one, as if there were no marker."""
    try:
        return Marker(marker).evaluate(dict(environment), context="lock_file")
    except (InvalidMarker, UndefinedEnvironmentName, InvalidVersion, KeyError, RecursionError):
        return True


def _allows(versions: str, version: str) -> bool:
    try:
        return SpecifierSet(versions).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True
