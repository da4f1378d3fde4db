"""Finds a project's lock file and reads it, whichever tool wrote it; only reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from sandbox.project.declarations.items import parsed, shown
from sandbox.project.declarations.locks.model import Lock, Locked
from sandbox.project.declarations.locks.pdm import read_pdm
from sandbox.project.declarations.locks.pipenv import read_pipenv
from sandbox.project.declarations.locks.poetry import read_poetry
from sandbox.project.declarations.locks.pylock import check_pylock, read_pylock
from sandbox.project.declarations.locks.uv import read_uv
from sandbox.project.declarations.pip_files import is_asked
from sandbox.project.declarations.reading import FileTree, ProjectError

_MAX_BYTES = 32 * 1024 * 1024
_FORMATS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Locked]]] = {
    "pylock.toml": read_pylock,
    "pylock.test.toml": read_pylock,
    "pylock.tests.toml": read_pylock,
    "pylock.dev.toml": read_pylock,
    "uv.lock": read_uv,
    "poetry.lock": read_poetry,
    "pdm.lock": read_pdm,
    "Pipfile.lock": read_pipenv,
}
_COMPLETE = re.compile(r"pylock\..*|Pipfile\.lock")


def read_lock(tree: FileTree, folder: Path) -> Lock | None:
    """Return the project's lock, None if it has none; the standard's comes before a tool's own.

    Raises:
        ProjectError: If the file is not TOML or JSON, or of an unknown version.
    """
    for name, read in _FORMATS.items():
        path = folder / name
        if not tree.is_file(path):
            continue
        load = tree.json if name == "Pipfile.lock" else tree.toml
        data = load(path, max_bytes=_MAX_BYTES)
        try:
            wrong = check_pylock(data) if read is read_pylock else ""
        except ProjectError as error:
            raise ProjectError(f"{tree.name(path)} was not read: {error}") from error
        return Lock(
            file=name,
            packages=_grouped(read(data)),
            fault=f"{tree.name(path)} is not quite what its standard says: {wrong}"
            if wrong
            else "",
            is_complete=bool(_COMPLETE.fullmatch(name)),
        )
    return None


def _grouped(found: Iterable[Locked]) -> dict[str, tuple[Locked, ...]]:
    packages: dict[str, tuple[Locked, ...]] = {}
    for locked in _with_private_indexes([each for each in found if _is_release(each)]):
        packages[locked.name] = (*packages.get(locked.name, ()), locked)
    return packages


def _with_private_indexes(found: list[Locked]) -> Iterator[Locked]:
    """Yield releases; one that is not from the index of the others has its own as its origin.

    A lock that names one index only, whichever, was made with a mirror of the public one.
    """
    indexes = {locked.index for locked in found if not locked.origin}
    public = {index for index in indexes if not index or is_asked(index)}
    for locked in found:
        is_private = bool(public) and not locked.origin and locked.index not in public
        yield replace(locked, origin=f"the index {shown(locked.index)}") if is_private else locked


def _is_release(locked: Locked) -> bool:
    """True if name and version are what they claim to be; they end up in requirement lines."""
    try:
        Version(locked.version)
    except InvalidVersion:
        return False
    requirement = parsed(f"{locked.name}=={locked.version}")
    return requirement is not None and requirement.name == locked.name
