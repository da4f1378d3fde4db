"""Looks at a repository and says how its tests run and what they need, without running any of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from sandbox.project.declarations.reading import read_text
from sandbox.project.focus import declares
from sandbox.project.requirements import DeclaredNeeds, read_needs
from sandbox.project.toolchains import django_command, find_django, find_test_command

Runner = Literal["pytest", "unittest", "command"]

PRETEND_VERSION = "1.0.0"
_VERSION_TOOLS = re.compile(
    r"setuptools[-_.]scm|hatch-vcs|pbr|versioningit|poetry-dynamic-versioning|uv-dynamic-versioning"
    r"|dunamai",
    re.IGNORECASE,
)
_PRETEND_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "SETUPTOOLS_SCM_PRETEND_VERSION": PRETEND_VERSION,
        "HATCH_VCS_PRETEND_VERSION": PRETEND_VERSION,
        "PBR_VERSION": PRETEND_VERSION,
        "PDM_BUILD_SCM_VERSION": PRETEND_VERSION,
        "POETRY_DYNAMIC_VERSIONING_BYPASS": PRETEND_VERSION,
        "UV_DYNAMIC_VERSIONING_BYPASS": PRETEND_VERSION,
    }
)

_TEST_FILE = re.compile(r"test_.*\.py|.*_test\.py|tests?\.py")
_SKIPPED_DIRECTORIES = frozenset(
    {"node_modules", "venv", "env", "build", "dist", "site-packages", "__pycache__"}
)
_MAX_ENTRIES = 50_000
_DEEPEST = 100
_MAX_READ_TESTS = 50
_TOP_LEVEL_TEST = re.compile(r"^(?:async )?def test_", re.MULTILINE)
_PYTEST_IMPORT = re.compile(r"^\s*(?:import pytest|from pytest)", re.MULTILINE)
_UNITTEST_IMPORT = re.compile(r"^\s*(?:import unittest|from unittest)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Everything that is needed to run a repository's tests."""

    root: Path
    runner: Runner
    folder: str = ""
    """Path of the top folder in the repository; empty if it is the repository's own."""
    targets: tuple[str, ...] = ()
    """Files, folders and node ids to which its tests are narrowed, relative to the repository."""
    command: str | None = None
    """Given by a person, or found where the project is not one of Python: replaces the runner."""
    tools: tuple[str, ...] = ()
    """Programs that a command that was found needs in the image."""
    requirements: tuple[str, ...] = ()
    """Requirement lines of the project and its tests."""
    optional: tuple[str, ...] = ()
    """Requirement lines that the tests can do without, if they cannot be had."""
    constraints: tuple[str, ...] = ()
    """Limits on versions, should something need those packages."""
    build_requires: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    """Folders of other projects that are installed with it, relative to its own."""
    installable: bool = False
    """True if the project declares a build and is installed in the box; else it is only importable."""
    compiles: bool = False
    """True if installing it needs a compiler of C."""
    skipped: tuple[str, ...] = ()
    """Requirement lines that cannot be provided, each with the reason."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def detect(root: Path, *, command: str | None = None, within: Path | None = None) -> Project:
    """Read the project's own declarations and test files.

    `within` is the repository around it, whose files enter the box as well.

    Raises:
        ProjectError: If a file that decides is not readable as what it should be.
    """
    repository = within or root
    if root == repository and not command:
        root = _only_project(root)
    project = _detected(root, repository, command)
    place = root.relative_to(repository).as_posix()
    return replace(project, folder="" if place == "." else place)


def _only_project(root: Path) -> Path:
    """Return the one folder with a project and all tests in a repository that declares nothing."""
    if declares(root) or (root / "conftest.py").is_file():
        return root
    inside = [folder for folder in sorted(root.iterdir()) if declares(folder, dependencies=True)]
    if len(inside) != 1 or inside[0].is_symlink():
        return root
    tests = [path for path in _files(root) if _TEST_FILE.fullmatch(path.name)]
    if not tests or not all(path.is_relative_to(inside[0]) for path in tests):
        return root
    needs = read_needs(root)
    return root if needs.requirements or needs.installable else inside[0]


def _detected(root: Path, repository: Path, command: str | None) -> Project:
    needs = read_needs(root, top=repository)
    files = list(_files(root))
    tests = [path for path in files if _TEST_FILE.fullmatch(path.name)]
    if not command and not tests and (found := find_test_command(root, files)):
        return Project(
            root=root,
            runner="command",
            command=found.command,
            tools=found.tools,
            environment=found.environment,
        )
    runner: Runner = "command" if command else _runner(root, needs, tests)
    if not command and (manage := _manage_py(root, needs, files, tests)):
        runner, command = "command", django_command(root, manage)
    # the version comes from version control, which never enters the box
    uses_scm = any(_VERSION_TOOLS.match(line) for line in needs.build_requires)
    return Project(
        root=root,
        runner=runner,
        command=command,
        requirements=needs.requirements,
        optional=needs.optional,
        constraints=needs.constraints,
        build_requires=needs.build_requires,
        members=needs.members,
        installable=needs.installable,
        compiles=needs.compiles,
        skipped=needs.skipped,
        environment=_PRETEND_ENVIRONMENT if uses_scm else MappingProxyType({}),
    )


def aimed(project: Project, repository: Path, targets: Sequence[str]) -> Project:
    """Return the project with its tests narrowed to files, folders and node ids of a repository."""
    manage = find_django(project.root, list(_files(project.root))) if targets else None
    if manage is None or project.runner != "command" or "manage.py" not in (project.command or ""):
        return replace(project, targets=tuple(targets))
    places = [repository / target.partition("::")[0] for target in targets]
    command = django_command(project.root, manage, places)
    return replace(project, targets=tuple(targets), command=command)


def _files(root: Path) -> Iterator[Path]:
    """Yield the files of the project, as far as it keeps them in the open, following no links."""
    seen = 0
    for directory, names, files in os.walk(root):
        names[:] = sorted(
            name for name in names if not name.startswith(".") and name not in _SKIPPED_DIRECTORIES
        )
        if directory.count(os.sep) - os.fspath(root).count(os.sep) >= _DEEPEST:
            names.clear()  # each folder is a call inside a call
        for name in sorted(files):
            seen += 1
            if seen > _MAX_ENTRIES:
                return
            yield Path(directory, name)


def _runner(root: Path, needs: DeclaredNeeds, tests: list[Path]) -> Runner:
    if needs.configures_pytest or _mentions_pytest(needs):
        return "pytest"
    if any(Path(root, folder, "conftest.py").is_file() for folder in ("", "tests", "test")):
        return "pytest"
    texts = [read_text(path) or "" for path in tests[:_MAX_READ_TESTS]]
    if any(_PYTEST_IMPORT.search(text) or _TOP_LEVEL_TEST.search(text) for text in texts):
        return "pytest"
    return "unittest" if any(_UNITTEST_IMPORT.search(text) for text in texts) else "pytest"


def _manage_py(
    root: Path, needs: DeclaredNeeds, files: list[Path], tests: list[Path]
) -> Path | None:
    """Return what runs all tests of a Django project that has not chosen pytest."""
    manage = find_django(root, files)
    plugin = any(re.match(r"pytest[-_.]django\b", line) for line in needs.requirements)
    chosen = plugin or needs.configures_pytest or (root / "conftest.py").is_file()
    # of a library with an example site, the tests are elsewhere
    if manage is None or chosen or not all(test.is_relative_to(manage.parent) for test in tests):
        return None
    texts = (read_text(path) or "" for path in tests[:_MAX_READ_TESTS])
    return None if any(_PYTEST_IMPORT.search(text) for text in texts) else manage


def _mentions_pytest(needs: DeclaredNeeds) -> bool:
    return any(re.match(r"pytest\b", line, re.IGNORECASE) for line in needs.requirements)
