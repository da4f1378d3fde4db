"""Reads the files a project declares itself in: small regular files, never code."""

from __future__ import annotations

import ast
import codecs
import configparser
import json
import re
import tomllib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.box.contract import SandboxError

_MIB = 1024 * 1024
MAX_FILE_BYTES = _MIB
# the order counts: UTF-16's mark is the beginning of UTF-32's
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


class ProjectError(SandboxError):
    """The project's own declarations cannot be understood."""


def read_text(path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> str | None:
    """Return a small regular file's text, None if it is not one."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > max_bytes:
            return None
        return path.read_text("utf-8", "replace")
    except OSError:
        return None


class FileTree:
    """The files of one repository, and why some were not read.

    Nothing outside `top` is ever read, whichever way a path or a link goes.
    """

    def __init__(self, top: Path) -> None:
        self.top = top.resolve()
        self.refused: dict[Path, str] = {}
        """A sentence about each file that is there but was not read."""

    def holds(self, path: Path) -> bool:
        """True if a path, links followed, is inside."""
        try:
            return path.resolve().is_relative_to(self.top)
        except (OSError, RuntimeError, ValueError):
            return False

    def name(self, path: Path) -> str:
        """Return a path as it is shown: relative to the top where it is inside."""
        try:
            return str(path.resolve().relative_to(self.top))
        except (OSError, RuntimeError, ValueError):
            return str(path)

    def is_file(self, path: Path) -> bool:
        """True if there is a regular file that may be read."""
        try:
            return self.holds(path) and path.is_file()
        except (OSError, ValueError):
            return False

    def read(self, path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> bytes | None:
        """Return a file's bytes, None if there is none or it may not be read."""
        if not self.is_file(path):
            return None
        try:
            size = path.stat().st_size
            if size > max_bytes:
                self._refuse(path, f"it has {size} bytes, more than {max_bytes}")
                return None
            return path.read_bytes()
        except OSError as error:
            self._refuse(path, error.strerror or str(error))
            return None

    def _refuse(self, path: Path, why: str) -> None:
        self.refused[path] = f"{self.name(path)} was not read: {why}"

    def text(self, path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> str | None:
        """Return a file's text in the encoding that it says, as pip reads it: else UTF-8."""
        data = self.read(path, max_bytes=max_bytes)
        if data is None:
            return None
        try:
            return decoded(data)
        except (LookupError, UnicodeError, ValueError) as error:
            self._refuse(path, _why(error))
            return None

    def toml(self, path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> dict[str, Any]:
        """Return a TOML file's content, empty if there is none.

        Raises:
            ProjectError: If it is not TOML, or too large to be read.
        """
        data = self.read(path, max_bytes=max_bytes)
        if data is None:
            if self.is_file(path):
                raise ProjectError(self.refused[path])
            return {}
        try:
            return tomllib.loads(data.removeprefix(codecs.BOM_UTF8).decode())
        except (ValueError, RecursionError) as error:
            raise ProjectError(f"{self.name(path)} is not valid TOML: {_why(error)}") from error

    def json(self, path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> dict[str, Any]:
        """Return a JSON file's content, empty if there is none.

        Raises:
            ProjectError: If it is no JSON object.
        """
        data = self.read(path, max_bytes=max_bytes)
        if data is None:
            return {}
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ProjectError(f"{self.name(path)} is not valid JSON: {_why(error)}") from error
        if not isinstance(value, dict):
            raise ProjectError(f"{self.name(path)} is not valid JSON: it is not an object")
        return value

    def ini(self, path: Path) -> dict[str, dict[str, str]]:
        """Return the sections of an INI file; one that cannot be parsed is named and empty."""
        text = self.text(path)
        if text is None:
            return {}
        try:
            return parse_ini(text)
        except ProjectError as error:
            self._refuse(path, str(error))
            return {}


def parse_ini(text: str) -> dict[str, dict[str, str]]:
    """Return the sections of an INI file's text.

    Raises:
        ProjectError: If it is not such a text.
    """
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
        return {name: dict(parser.items(name)) for name in parser.sections()}
    except (configparser.Error, RecursionError, ValueError, AttributeError) as error:
        raise ProjectError(_why(error)) from error


def decoded(data: bytes) -> str:
    """Decode by byte order mark, then by a coding comment in the first two lines, then as UTF-8.

    What is none of these is taken as Latin-1: names and versions are ASCII in every such encoding.

    Raises:
        LookupError: If the comment names no known encoding.
        ValueError: If the bytes are not of that encoding.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    for line in data.split(b"\n")[:2]:
        if found := _CODING.search(line):
            encoding = found[1].decode("ascii")
            if not getattr(codecs.lookup(encoding), "_is_text_encoding", True):
                raise LookupError(f"{encoding} is no encoding of text")
            return data.decode(encoding)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return " ".join(str(error).split())[:300]


def table(data: object, *names: str) -> dict[str, Any]:
    """Return a nested table, empty if any part of it is absent or not a table."""
    for name in names:
        data = data.get(name) if isinstance(data, Mapping) else None
    return dict(data) if isinstance(data, Mapping) else {}


def tables(value: object) -> list[dict[str, Any]]:
    """Return the tables of a list of tables."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def strings(value: object) -> list[str]:
    """Return the texts of a list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def text_of(value: object) -> str:
    """Return a text, empty if it is something else."""
    return value if isinstance(value, str) else ""


def parse_python(source: bytes) -> ast.Module:
    """Return the syntax tree of a program's bytes, without a word about its escapes.

    Raises:
        ProjectError: If it is no Python, or nested too deeply.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ProjectError(f"it cannot be parsed: {_why(error)}") from error
