"""Changes one setting in the user's own file; comments and the order of the file stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent.editing.source_files import SourceFileError, write_atomically
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
    except (
        OSError,
        UnicodeDecodeError,
        ParseError,
        AttributeError,
        TypeError,
        SourceFileError,
    ) as err:
        raise ConfigError(f"{path} cannot be changed: {err}; edit it by hand") from err
    return path


def _write(path: Path, text: str) -> None:
    """Write the file whole or not at all; a new one for the user alone, because it may hold a key."""
    path = path.resolve()  # a link into a folder of dotfiles stays a link
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        path.touch(mode=0o600)
    write_atomically(path, text.encode())
