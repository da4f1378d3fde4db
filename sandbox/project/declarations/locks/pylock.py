"""Reads the standard's `pylock.toml` (PEP 751), with the library that checks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError

from sandbox.project.declarations.locks.model import Locked, name_of, python_marker
from sandbox.project.declarations.reading import ProjectError, table, tables, text_of


def check_pylock(data: Mapping[str, Any]) -> str:
    """Return what is wrong with a `pylock.toml` by its standard, empty if nothing is.

    Raises:
        ProjectError: If it is of a version that is not known.
    """
    try:
        Pylock.from_dict(data)
    except PylockUnsupportedVersionError as error:
        raise ProjectError(str(error)) from error
    except PylockValidationError as error:
        return str(error)
    return ""


def read_pylock(data: Mapping[str, Any]) -> Iterator[Locked]:
    """Yield the packages of a `pylock.toml`, also of one that is not quite what it should be."""
    for entry in tables(data.get("packages")):
        origins = [kind for kind in ("vcs", "directory", "archive") if kind in entry]
        marker = _marker(entry)
        yield Locked(
            name=name_of(entry),
            version=text_of(entry.get("version")) or "0",
            origin=origins[0] if origins else "",
            path=text_of(table(entry, "directory").get("path")),
            index=text_of(entry.get("index")),
            markers=(marker,) if marker else (),
        )


def _marker(entry: Mapping[str, Any]) -> str:
    """Join the marker and the Pythons that the release is for."""
    given = (text_of(entry.get("marker")), python_marker(text_of(entry.get("requires-python"))))
    parts = [part for part in given if part]
    return " and ".join(f"({part})" for part in parts) if len(parts) > 1 else "".join(parts)
