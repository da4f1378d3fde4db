"""Chooses the requirement lists that tests need: by name, and by settings of test tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from sandbox.project.declarations import hatch, nox, tox, uv
from sandbox.project.declarations.items import Folder, Item, Need, parsed
from sandbox.project.declarations.package import Package
from sandbox.project.declarations.pip_files import requirement_file
from sandbox.project.declarations.reading import FileTree

REQUIREMENT_FILES = (
    "requirements.txt",
    "requirements/base.txt",
    "requirements/main.txt",
    "requirements/requirements.txt",
    "requirements.in",
)
TEST_FILES = (
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements-testing.txt",
    "requirements_test.txt",
    "requirements_tests.txt",
    "requirements.test.txt",
    "test-requirements.txt",
    "test_requirements.txt",
    "tests-requirements.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "requirements/testing.txt",
    "requirements/requirements-test.txt",
    "tests/requirements.txt",
    "test/requirements.txt",
    "requirements-test.in",
    "test-requirements.in",
)
DEV_FILES = (
    "requirements-dev.txt",
    "requirements_dev.txt",
    "requirements.dev.txt",
    "dev-requirements.txt",
    "dev_requirements.txt",
    "requirements/dev.txt",
    "requirements/development.txt",
    "requirements/requirements-dev.txt",
    "requirements-dev.in",
    "dev-requirements.in",
)
TEST_NAMES = (
    *("test", "tests", "testing", "pytest", "unittest", "unit", "unit-test", "unit-tests"),
    *("test-requires", "tests-require", "test-require", "test-deps", "test-dependencies"),
)
DEV_NAMES = ("dev", "develop", "devel", "development", "dev-dependencies", "all")
_LAUNCHERS = frozenset(
    {"poetry", "pdm", "uv", "hatch", "tox", "nox", "pipenv", "pre-commit", "pip"}
)


def file_items(tree: FileTree, folder: Path, names: Sequence[str]) -> Iterator[Item]:
    """Yield what those of the named requirement files say that exist."""
    for name in names:
        yield from requirement_file(tree, folder / name)


def tool_items(tree: FileTree, package: Package) -> list[Item]:
    """Return what tox, nox and Hatch are told to put in for the tests, without such tools."""
    found = [
        *tox.environment_items(tree, package.folder, package.pyproject),
        *nox.session_items(tree, package.folder),
        *hatch.environment_items(tree, package.folder, package.pyproject),
    ]
    return [item for item in found if not _is_launcher(item)]


def _is_launcher(item: Item) -> bool:
    requirement = parsed(item.line) if isinstance(item, Need) else None
    return requirement is not None and canonicalize_name(requirement.name) in _LAUNCHERS


def chosen(package: Package, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the extras and groups of a project that go by one of the names: kind and name."""
    return [
        (kind, name)
        for name in names
        for kind, lists in (("extra", package.extras), ("group", package.groups))
        if lists.get(name)
    ]


def compatible(package: Package, lists: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return those that may be chosen together, the first ones first: uv's `conflicts` say which."""
    taken: list[tuple[str, str]] = []
    for each in lists:
        excluding = [pair for pair in uv.conflicts(package.pyproject) if each in pair]
        if not any(other in pair for pair in excluding for other in taken):
            taken.append(each)
    return taken


def as_folder(package: Package, lists: Sequence[tuple[str, str]]) -> Folder:
    """Return a project with the chosen extras and groups of it."""
    return Folder(
        path=package.folder,
        place="pyproject.toml",
        extras=tuple(name for kind, name in lists if kind == "extra"),
        groups=tuple(name for kind, name in lists if kind == "group"),
    )
