"""Adds up what declarations say, project by project: a folder's own before what it asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.project.declarations import uv
from sandbox.project.declarations.items import (
    Constraint,
    Folder,
    Item,
    Need,
    Unread,
    elsewhere,
    parsed,
    shortened,
)
from sandbox.project.declarations.package import Package, read_package
from sandbox.project.declarations.reading import FileTree, ProjectError, table
from sandbox.project.lockfiles import box_environment, holds

_MOST_NOTES = 30


class Gathering:
    """Requirements without repetition, and the folders that are put in as they are.

    A name that belongs to a folder of the repository never becomes a requirement line: not the
    project's own, not a workspace member's, not one whose path is declared.
    """

    def __init__(
        self, tree: FileTree, root: Path, *, locked: Mapping[str, Folder | Unread]
    ) -> None:
        self._tree = tree
        self._root = root.resolve()
        self._packages: dict[Path, Package] = {}
        self._queue: deque[tuple[Item, Package]] = deque()
        self._done: set[tuple[Path, str, str]] = set()
        self._environment = box_environment()
        self._kept: dict[str, list[tuple[Requirement, Package]]] = {}
        self._notes: dict[str, None] = {}
        self._locked = locked
        self._constraints: dict[str, None] = {}
        self.folders: dict[Path, Package] = {}
        """Projects other than the root's own, in the order they were found."""
        self.package = self.read(self._root)
        top = uv.workspace_root(tree, self._root)
        self.workspace = self.read(top) if top else None
        self.members = self._members()
        self._sources: dict[Path, Mapping[str, Folder | Unread]] = {}
        self._local: dict[str, Path] = dict(self.members)
        if self.package.name:
            self._local[self.package.name] = self._root
        for constraint in uv.limits(self.package.pyproject):
            self._queue.append((constraint, self.package))
        if self.workspace and self.workspace is not self.package:
            self._queue.extend(
                (each, self.workspace) for each in uv.limits(self.workspace.pyproject)
            )
        self._overrides = uv.overrides((self.workspace or self.package).pyproject)

    def _members(self) -> dict[str, Path]:
        if self.workspace is None:
            return {}
        found = uv.members(self._tree, self.workspace.folder, self.workspace.pyproject)
        if self.workspace.name:
            found[self.workspace.name] = self.workspace.folder
        return found

    def read(self, folder: Path) -> Package:
        """Return a folder's declarations; those of a neighbour that are broken are named.

        Raises:
            ProjectError: If the root's own pyproject.toml is broken.
        """
        folder = folder.resolve()
        if folder not in self._packages:
            try:
                self._packages[folder] = read_package(self._tree, folder)
            except ProjectError as error:
                if folder == self._root:
                    raise
                self.note(str(error))
                self._packages[folder] = Package(folder=folder, pyproject={})
        return self._packages[folder]

    def take(self, items: Iterable[Item], package: Package | None = None) -> None:
        """Take in what a project's files say, and all that follows from it."""
        self._queue.extend((item, package or self.package) for item in items)
        while self._queue:
            item, owner = self._queue.popleft()
            match item:
                case Need():
                    self._need(item, owner)
                case Constraint():
                    self._constrain(item)
                case Folder():
                    self._folder(item)
                case Unread():
                    self.note(item.reason)
            if not self._queue:
                self._settle()

    def note(self, reason: str) -> None:
        """Keep a sentence for the person."""
        self._notes[reason] = None

    @property
    def local(self) -> frozenset[str]:
        """The names of all packages that come from a folder."""
        return frozenset(self._local)

    def lines(self) -> tuple[str, ...]:
        """Return the requirement lines for the package index."""
        found = (requirement for kept in self._kept.values() for requirement, _ in kept)
        return tuple(dict.fromkeys(str(requirement) for requirement in found))

    def has(self, name: str) -> bool:
        """True if a package is asked for, or comes from elsewhere than the index."""
        known = name in self._kept or name in self._local
        return known or self._source(name, self.package) is not None

    def constraints(self) -> tuple[str, ...]:
        """Return the limits on versions, without those on what comes from a folder."""
        named = ((canonicalize_name(Requirement(line).name), line) for line in self._constraints)
        return tuple(line for name, line in named if name not in self._local)

    def notes(self) -> tuple[str, ...]:
        """Return what was not read or followed, each as a sentence; of very many only the first."""
        found = [*self._notes, *self._tree.refused.values()]
        if len(found) > _MOST_NOTES:
            rest = len(found) - _MOST_NOTES
            found = [*found[:_MOST_NOTES], f"{rest} more lines of the declarations were not read"]
        return tuple(found)

    def _need(self, item: Need, owner: Package) -> None:
        requirement = parsed(item.line)
        if requirement is None:
            self.note(f"{item.place}: {shortened(item.line)} is not a plain requirement")
            return
        name = canonicalize_name(requirement.name)
        source = self._source(name, owner)
        if isinstance(source, Folder):
            self._queue.append((_with(source, requirement), owner))
        elif source is not None:
            self._queue.append((source, owner))
        elif requirement.url:
            self._queue.append((elsewhere(name, requirement.url, place=item.place), owner))
        else:
            requirement = self._overrides.get(name, requirement)
            self._kept.setdefault(name, []).append((requirement, owner))

    def _source(self, name: str, owner: Package) -> Folder | Unread | None:
        """Return where a package comes from if that is not the index."""
        if name == owner.name:
            return Folder(path=owner.folder, place="")
        if name in self._local:
            return Folder(path=self._local[name], place="")
        if owner.folder not in self._sources:
            self._sources[owner.folder] = self._sources_of(owner)
        return self._sources[owner.folder].get(name, self._locked.get(name))

    def _sources_of(self, owner: Package) -> dict[str, Folder | Unread]:
        """Return a project's own sources over those of its workspace."""
        found = dict(owner.sources)
        for package in (self.workspace, owner):
            if package is not None:
                found |= uv.sources(self._tree, package.folder, package.pyproject, self.members)
        return found

    def _folder(self, item: Folder) -> None:
        if item.marker and not holds(item.marker, self._environment):
            return
        package = self.read(item.path)
        if package.folder != self._root and package.folder not in self.folders:
            self.folders[package.folder] = package
            if not (package.installable or package.name or package.needs):
                self.note(f"{self._tree.name(item.path)} declares no project: it was not installed")
        if package.name:
            self._local.setdefault(package.name, package.folder)
        self._once(package, "", "", package.needs)
        for kind, names, lists in (
            ("extra", item.extras, package.extras),
            ("group", item.groups, package.groups),
        ):
            for name in map(canonicalize_name, names):
                if name in lists:
                    self._once(package, kind, name, lists[name])
                else:
                    self.note(f"{package.name or 'the project'} has no {kind} {name!r}")

    def _once(self, package: Package, kind: str, name: str, items: Iterable[Item]) -> None:
        if (package.folder, kind, name) not in self._done:
            self._done.add((package.folder, kind, name))
            self._queue.extend((item, package) for item in items)

    def _settle(self) -> None:
        """Put a folder in the place of requirements that were kept before it was found."""
        for name in self._local.keys() & self._kept.keys():
            folder = Folder(path=self._local[name], place="")
            self._queue.extend((_with(folder, req), owner) for req, owner in self._kept.pop(name))

    def _constrain(self, item: Constraint) -> None:
        requirement = parsed(item.line)
        if requirement is None:
            self.note(f"{item.place}: {shortened(item.line)} is not a plain constraint")
            return
        if requirement.url or requirement.extras:
            self.note(f"{item.place}: the constraint {shortened(item.line)} was not followed")
        else:
            self._constraints[str(requirement)] = None


def _with(folder: Folder, requirement: Requirement) -> Folder:
    """Return a folder with the extras and the marker of the line that asks for it."""
    return Folder(
        path=folder.path,
        place=folder.place,
        extras=tuple(sorted({*folder.extras, *requirement.extras})),
        marker=str(requirement.marker or ""),
    )


def has_build(package: Package) -> bool:
    """True if a project can be installed: it says how, and its tool is not told otherwise."""
    tool = table(package.pyproject, "tool")
    switches = (
        table(tool, "uv").get("package"),
        table(tool, "poetry").get("package-mode"),
        table(tool, "pdm").get("distribution"),
    )
    return package.installable and not any(switch is False for switch in switches)
