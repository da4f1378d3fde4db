"""Changes one setting in the user's own file; comments and the order of the file stay."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from agent.errors import ConfigError
from agent.paths import user_config_file
from agent.settings.load import declared, present_name
from agent.settings.values import check_bounds, from_text


def set_user(key: str, text: str, environ: Mapping[str, str]) -> Path:
    """Set a setting, given as text; the file that has it now.

    Raises:
        ConfigError: If there is no such setting, the value is none for it, or the file cannot be changed.
    """
    name, place = present_name(key), "the command line"
    known = declared(name, place)
    value = from_text(known.type, text, key=name, place=place)
    check_bounds(value, known.rule, key=name, place=place)
    return _changed(name, value, environ)


def unset_user(key: str, environ: Mapping[str, str]) -> Path:
    """Remove a setting from the user's file, so that its default counts again.

    Raises:
        ConfigError: If there is no such setting, or the file cannot be changed.
    """
    name = present_name(key)
    declared(name, "the command line")
    return _changed(name, None, environ)


def _changed(key: str, value: object, environ: Mapping[str, str]) -> Path:
    import tomlkit
    from tomlkit.exceptions import ParseError

    path = user_config_file(environ)
    section, name = key.split(".")
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8") if path.exists() else "")
        table = document.setdefault(section, tomlkit.table())
        if value is not None:
            table[name] = value
        else:
            table.pop(name, None)
        if not table:
            document.pop(section)
        _write(path, tomlkit.dumps(document))
    except (OSError, UnicodeDecodeError, ParseError, AttributeError, TypeError) as err:
        raise ConfigError(f"{path} cannot be changed: {err}; edit it by hand") from err
    return path


def _write(path: Path, text: str) -> None:
    """Write the file whole or not at all, for the user alone: it may hold a key."""
    path = path.resolve()  # a link into a folder of dotfiles stays a link
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    number, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            Path(temporary).chmod(path.stat().st_mode & 0o777)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
