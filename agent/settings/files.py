"""Finds and reads the files that hold settings: the user's, and those of a project."""

from __future__ import annotations

import json
import re
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ConfigError

PROJECT_FILE = ".elagent.toml"
_MAX_BYTES = 1_000_000
_TABLE_LINE = re.compile(r"^\s*\[(?P<name>[^\[\]]+)\]\s*(#.*)?$")
_KEY_LINE = re.compile(
    r"""^\s*(?P<name>(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[^\s=]+)*)\s*="""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One value as a file gives it."""

    value: object
    place: str
    """`FILE:LINE`"""


def read_user(path: Path) -> Iterator[tuple[str, Given]]:
    """The dotted keys of the user's file; nothing where there is none.

    Raises:
        ConfigError: If it cannot be read.
    """
    text = _text(path)
    if text is not None:
        yield from _flattened(_parsed(text, path), text, path, ())


def read_project(cwd: Path) -> Iterator[tuple[str, Given]]:
    """The dotted keys of a project: `[tool.elagent]` first, then `.elagent.toml`, which wins.

    Raises:
        ConfigError: If one of them cannot be read.
    """
    root = project_root(cwd)
    pyproject = root / "pyproject.toml"
    text = _text(pyproject)
    if text is not None and (table := _own_table(text, pyproject)) is not None:
        yield from _flattened(table, text, pyproject, ("tool", "elagent"))
    own = root / PROJECT_FILE
    text = _text(own)
    if text is not None:
        yield from _flattened(_parsed(text, own), text, own, ())


def own_settings(pyproject: Path) -> str:
    """Elagent's settings in a `pyproject.toml`, as lines; empty if it has none.

    Of a broken file that names elagent, the whole text counts.
    """
    try:
        text = _text(pyproject) or ""
    except ConfigError as err:
        return str(err)
    try:
        table = _own_table(text, pyproject)
    except ConfigError:
        return text
    if table is None:
        return ""
    return json.dumps(table, indent=1, sort_keys=True, default=str)


def project_root(cwd: Path) -> Path:
    """The nearest folder at or above `cwd` that is a git repository; else `cwd` itself."""
    here = cwd.resolve()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def _own_table(text: str, pyproject: Path) -> object | None:
    # A project whose pyproject.toml is broken can still be worked on, unless it names us.
    tool = _parsed(text, pyproject).get("tool", {}) if "elagent" in text else {}
    return tool.get("elagent") if isinstance(tool, dict) else None


def _text(path: Path) -> str | None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        if status.st_size > _MAX_BYTES:
            raise ConfigError(f"{path}: larger than {_MAX_BYTES} bytes; this is no settings file")
        return path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as err:
        line = err.object[: err.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text") from err
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read: {err.strerror}") from err


def _parsed(text: str, path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except RecursionError as err:
        raise ConfigError(f"{path}: nested too deep to be read as TOML") from err
    except tomllib.TOMLDecodeError as err:
        found = re.search(r" \(at line (\d+), column \d+\)", str(err))
        line = int(found[1]) if found else len(text.splitlines())
        reason = str(err).replace(found[0], "") if found else str(err)
        raise ConfigError(f"{path}:{line}: not valid TOML: {reason}") from err


def _flattened(
    table: object, text: str, path: Path, prefix: tuple[str, ...]
) -> Iterator[tuple[str, Given]]:
    for section, values in _items(table, text, path, prefix, "a table of settings"):
        where = (*prefix, section)
        for key, value in _items(values, text, path, where, "a section"):
            place = f"{path}:{_line_of(text, (*where, key))}"
            yield f"{section}.{key}", Given(value=value, place=place)


def _items(
    table: object, text: str, path: Path, where: tuple[str, ...], kind: str
) -> Iterator[tuple[str, object]]:
    if not isinstance(table, dict):
        line = _line_of(text, where)
        raise ConfigError(f"{path}:{line}: {'.'.join(where)!r} must be {kind}, e.g. [model]")
    yield from table.items()


def _line_of(text: str, key: tuple[str, ...]) -> int:
    """The line of a key, or of the inline table or table that holds it, or 1.

    `tomllib` does not tell lines, so the text is read once more.
    """
    places = _places(text)
    for length in range(len(key), 0, -1):
        if key[:length] in places:
            return places[key[:length]]
    return 1


def _places(text: str) -> dict[tuple[str, ...], int]:
    places: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _TABLE_LINE.match(line):
            table = _key_parts(found["name"])
            places.setdefault(table, number)
        elif found := _KEY_LINE.match(line):
            places.setdefault(table + _key_parts(found["name"]), number)
    return places


def _key_parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
