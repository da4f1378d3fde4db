"""The files a project declares itself in, read safely: small regular files, never code."""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.contract import SandboxError

_MAX_FILE_BYTES = 1024 * 1024


class ProjectError(SandboxError):
    """The project's own declarations cannot be understood."""


def read_text(path: Path, *, max_bytes: int = _MAX_FILE_BYTES) -> str | None:
    """Return a small regular file's text, None if it is not one."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > max_bytes:
            return None
        return path.read_text("utf-8", "replace")
    except OSError:
        return None


def read_pyproject(root: Path) -> dict[str, Any]:
    text = read_text(root / "pyproject.toml")
    if text is None:
        return {}
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"pyproject.toml is not valid TOML: {error}") from error


def table(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return a nested table, empty if any part of it is absent or not a table."""
    for name in names:
        inner = data.get(name)
        if not isinstance(inner, dict):
            return {}
        data = inner
    return dict(data)


def read_ini(path: Path) -> dict[str, dict[str, str]]:
    text = read_text(path)
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text or "")
    except configparser.Error:
        return {}
    return {name: dict(parser.items(name)) for name in parser.sections()}


def strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
