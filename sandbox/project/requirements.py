"""Reads what a repository declares it needs; only reads, never runs a build or a setup script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.project.declarations import conda, uv
from sandbox.project.declarations.choosing import (
    DEV_FILES,
    DEV_NAMES,
    REQUIREMENT_FILES,
    TEST_FILES,
    TEST_NAMES,
    as_folder,
    chosen,
    compatible,
    file_items,
    tool_items,
)
from sandbox.project.declarations.gathering import Gathering, has_build
from sandbox.project.declarations.imports import GIANTS, imported_by_tests, provides
from sandbox.project.declarations.items import Folder, Item, Need, Unread, parsed
from sandbox.project.declarations.locks.model import Lock
from sandbox.project.declarations.locks.reading import read_lock
from sandbox.project.declarations.package import Package
from sandbox.project.declarations.pip_files import local
from sandbox.project.declarations.pipenv import read_pipfile
from sandbox.project.declarations.pytest_options import implied_plugins, pytest_options
from sandbox.project.declarations.reading import FileTree
from sandbox.project.lockfiles import pin

Items = tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredNeeds:
    """Sum of a project's declarations."""

    requirements: tuple[str, ...]
    optional: tuple[str, ...]
    """Declared for some use only, but imported by the tests: done without if they cannot be had."""
    constraints: tuple[str, ...]
    """Limits on versions, should something need those packages."""
    build_requires: tuple[str, ...]
    installable: bool
    members: tuple[str, ...]
    """Folders of other projects to install with it, relative to its own."""
    compiles: bool
    """True if one of their builds needs a compiler of C."""
    configures_pytest: bool
    skipped: tuple[str, ...]
    """A sentence for each declaration that was not read or followed."""


def read_needs(root: Path, *, top: Path | None = None) -> DeclaredNeeds:
    """Gather the declarations of one project, with the versions of its lock file if it has one.

    `top` is the repository that holds the project, if that is another folder: a workspace may be
    declared there, and paths may lead through it, but not out of it.

    Raises:
        ProjectError: If pyproject.toml, a Pipfile or the lock file cannot be read as what it is.
    """
    tree = FileTree(top or root)
    root = root.resolve()
    lock, folder = _lock(tree, root)
    gathering = Gathering(tree, root, locked=_locked_folders(tree, lock, folder))
    pipfile = read_pipfile(tree, root)
    options = pytest_options(tree, root, gathering.package.pyproject)
    for items in (
        [Folder(path=root, place="pyproject.toml")],
        file_items(tree, root, REQUIREMENT_FILES),
        conda.environment_items(tree, root),
        pipfile.get("packages", ()),
        _test_items(tree, gathering.package, pipfile),
        _member_items(gathering),
        implied_plugins(options or {}),
    ):
        gathering.take(items)
    required = gathering.lines()
    found = _pinned(required, tuple(_optional(tree, gathering, pipfile)), lock, gathering.local)
    folders = gathering.folders.items()
    return DeclaredNeeds(
        requirements=found.lines,
        optional=found.optional,
        constraints=gathering.constraints(),
        build_requires=tuple(_build_requires(gathering)),
        installable=has_build(gathering.package),
        members=tuple(relpath(path, root) for path, package in folders if has_build(package)),
        compiles=any(each.compiles for each in (gathering.package, *gathering.folders.values())),
        configures_pytest=options is not None,
        skipped=(*gathering.notes(), *found.skipped),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pinned:
    lines: tuple[str, ...]
    optional: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def _pinned(
    required: tuple[str, ...],
    optional: tuple[str, ...],
    lock: Lock | None,
    local_names: frozenset[str],
) -> _Pinned:
    """Apply the lock; what only the optional packages need is optional, too."""
    if lock is None:
        return _Pinned(lines=required, optional=optional)
    pinned = pin(required, lock, local=local_names)
    faults = (lock.fault,) if lock.fault else ()
    all_of_it = pin((*required, *optional), lock, local=local_names)
    more = tuple(line for line in all_of_it.lines if line not in pinned.lines)
    return _Pinned(lines=pinned.lines, optional=more, skipped=(*faults, *pinned.skipped))


def _lock(tree: FileTree, root: Path) -> tuple[Lock | None, Path]:
    """Return the project's own lock, or its workspace's, and the folder that has it."""
    if lock := read_lock(tree, root):
        return lock, root
    top = uv.workspace_root(tree, root)
    return (read_lock(tree, top), top) if top else (None, root)


def _locked_folders(tree: FileTree, lock: Lock | None, folder: Path) -> dict[str, Folder | Unread]:
    """Return the packages that the lock takes from folders."""
    found: dict[str, Folder | Unread] = {}
    for name, path in lock.folders().items() if lock else ():
        place = local(tree, folder / path, place=lock.file if lock else "")
        if isinstance(place, Folder | Unread):
            found[name] = place
    return found


def _test_items(tree: FileTree, package: Package, pipfile: Mapping[str, Items]) -> Iterator[Item]:
    """Yield what the tests need; what developers need stands in for it where tests have no list."""
    tests = [
        *_lists(package, TEST_NAMES),
        *file_items(tree, package.folder, TEST_FILES),
        *(item for name in TEST_NAMES for item in pipfile.get(name, ())),
        *tool_items(tree, package),
    ]
    yield from tests
    if not any(isinstance(item, Need | Folder) for item in tests):
        yield from _lists(package, DEV_NAMES)
        yield from file_items(tree, package.folder, DEV_FILES)
        yield from pipfile.get("dev", ())


def _lists(package: Package, names: Sequence[str]) -> list[Item]:
    """Return the project with its lists of those names, of which none exclude each other."""
    lists = compatible(package, chosen(package, names))
    return [as_folder(package, lists)] if lists else []


def _member_items(gathering: Gathering) -> Iterator[Item]:
    """Yield the members of the workspace whose top this is, with what their tests need."""
    if gathering.workspace is not gathering.package:
        return
    for path in gathering.members.values():
        member = gathering.read(path)
        if member is not gathering.package:
            yield Folder(path=path, place="pyproject.toml")
            yield from _lists(member, TEST_NAMES) or _lists(member, DEV_NAMES)


def _optional(tree: FileTree, gathering: Gathering, pipfile: Mapping[str, Items]) -> Iterator[str]:
    """Yield what is declared in other lists, if a test file imports it or it is a pytest plugin."""
    package = gathering.package
    wanted = (*chosen(package, TEST_NAMES), *chosen(package, DEV_NAMES))
    every = [*wanted, *chosen(package, [*package.extras, *package.groups])]
    items = [
        item
        for kind, name in compatible(package, dict.fromkeys(every))
        for item in (package.extras if kind == "extra" else package.groups)[name]
    ]
    items += [*file_items(tree, package.folder, DEV_FILES), *pipfile.get("dev", ())]
    imported = imported_by_tests(tree, package.folder) if items else frozenset()
    for requirement in filter(None, map(_plain, items)):
        name = canonicalize_name(requirement.name)
        if gathering.has(name) or not (provides(name, imported) or name.startswith("pytest-")):
            continue
        if name in GIANTS:
            gathering.note(f"{name}, which tests import, is optional and very large: not installed")
        else:
            yield str(requirement)


def _plain(item: Item) -> Requirement | None:
    """Return a requirement of the index, None for anything else."""
    requirement = parsed(item.line) if isinstance(item, Need) else None
    return requirement if requirement and requirement.url is None else None


def _build_requires(gathering: Gathering) -> Iterator[str]:
    """Yield what the builds of the project and of its neighbours need of the index."""
    packages = [gathering.package, *gathering.folders.values()]
    lines = (line for each in packages if has_build(each) for line in each.build_requires)
    for line in dict.fromkeys(lines):
        if canonicalize_name(Requirement(line).name) not in gathering.local:
            yield line
