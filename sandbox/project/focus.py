"""Finds the project of a repository, and the tests, that a person means by a path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_DEPENDENCIES = ("pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "requirements.txt")
_MANIFESTS = (
    *(*_DEPENDENCIES, "pytest.ini", "tox.ini", "manage.py"),
    *("Cargo.toml", "go.mod", "package.json"),
)


class PathError(Exception):
    """A path names nothing, or nothing inside the repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Focus:
    """One project of a repository and a part of its tests; all is relative to the repository."""

    folder: str = ""
    """The top folder of the project; empty for the repository itself."""
    targets: tuple[str, ...] = ()
    """Files, folders or node ids; empty for all tests of the project."""


WHOLE = Focus()


def find_focuses(root: Path, cwd: Path, paths: Iterable[str]) -> tuple[Focus, ...]:
    """Group what the paths name by the project that each belongs to, in the order given.

    Raises:
        PathError: If one of them is not there, or outside of the repository.
    """
    found: dict[str, list[str]] = {}
    for path in paths:
        target = _target(root, cwd, path)
        folder = project_folder(root, root / target.partition("::")[0])
        narrowed = found.setdefault(folder, [])
        narrowed.append("" if target == (folder or ".") else target)
    return tuple(
        Focus(folder=folder, targets=() if "" in targets else tuple(dict.fromkeys(targets)))
        for folder, targets in found.items()
    )


def _target(root: Path, cwd: Path, path: str) -> str:
    name, mark, inside = path.partition("::")
    place = Path(os.path.normpath(cwd / name))
    if not place.exists():
        raise PathError(f"there is no {path} in {cwd}: name a folder, a test file or FILE::TEST")
    if mark and not place.is_file():
        raise PathError(f"{path} names a test, but {name} is no file")
    if not place.is_relative_to(root):
        place = place.resolve()
    if not place.is_relative_to(root):
        raise PathError(f"{path} is not inside the repository {root}")
    return f"{place.relative_to(root).as_posix()}{mark}{inside}"


def project_folder(root: Path, place: Path) -> str:
    """Return the nearest folder at or above a path that declares a project, within the root."""
    start = place if place.is_dir() else place.parent
    for folder in (start, *start.parents):
        if folder == root or not folder.is_relative_to(root):
            return ""
        if declares(folder):
            return folder.relative_to(root).as_posix()
    return ""


def declares(folder: Path, *, dependencies: bool = False) -> bool:
    """True if a folder is a project's by its files; with `dependencies`, by those of Python's.

    A folder of tests often has a configuration of its own, and is no project for that.
    """
    if folder.name in ("test", "tests") and not _has(folder, _DEPENDENCIES[:2]):
        return False
    return _has(folder, _DEPENDENCIES if dependencies else _MANIFESTS)


def _has(folder: Path, names: Sequence[str]) -> bool:
    return any((folder / name).is_file() for name in names)
