"""Settings of the MCP servers that a person named: `[mcp.servers.NAME]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from agent.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_KEYS = ("command", "allow", "env", "timeout_s")
_TIMEOUT_S = 60.0
_LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideServer:
    """A program on the host that offers tools; it runs outside of the sandbox."""

    name: str
    command: tuple[str, ...]
    """Program and arguments; no shell reads them."""
    allow: tuple[str, ...] = ()
    """Tools that are called without a question."""
    env: tuple[str, ...] = ()
    """Variables of the environment that it gets, beside HOME, PATH and the like."""
    timeout_s: float = _TIMEOUT_S
    """Seconds after which a call, with the server's start, is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideServers:
    """All servers, by name."""

    servers: tuple[OutsideServer, ...] = ()

    def __str__(self) -> str:
        return ", ".join(server.name for server in self.servers) or "(none)"


def read_servers(value: object, *, key: str, place: str) -> OutsideServers:
    """The servers of a settings file.

    Raises:
        ConfigError: If one of them is not as it must be, naming the place and the server.
    """
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{place}: {key} must be tables such as [{key}.NAME] in your settings file, not {value!r}"
        )
    return OutsideServers(
        servers=tuple(_server(str(name), table, f"{place}: {key}") for name, table in value.items())
    )


def _server(name: str, table: object, place: str) -> OutsideServer:
    where = f"{place}.{name}"
    if not _NAME.fullmatch(name) or not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table, named by at most 40 letters, digits, - and _")
    if unknown := next((entry for entry in table if entry not in _KEYS), None):
        raise ConfigError(f"{where}: there is no {unknown!r}; known are {', '.join(_KEYS)}")
    command = _texts(table, "command", where)
    if not command:
        raise ConfigError(f'{where}: command is missing, such as command = ["uvx", "a-server"]')
    if "/" in command[0] and not PurePath(command[0]).is_absolute():
        message = f"{where}: {command[0]!r} must be a name on the PATH or an absolute path"
        raise ConfigError(f"{message}; else a repository could bring the program")
    return OutsideServer(
        name=name,
        command=command,
        allow=_texts(table, "allow", where),
        env=_texts(table, "env", where),
        timeout_s=_seconds(table.get("timeout_s", _TIMEOUT_S), where),
    )


def _texts(table: Mapping[object, object], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, [])
    texts = (
        [item for item in value if isinstance(item, str) and item and "\0" not in item]
        if isinstance(value, list)
        else None
    )
    if texts is None or not isinstance(value, list) or len(texts) != len(value):
        raise ConfigError(f"{where}: {key} must be a list of texts, not {value!r}")
    return tuple(texts)


def _seconds(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_S:
        raise ConfigError(
            f"{where}: timeout_s must be above 0 and at most {_LONGEST_S:g}, not {value!r}"
        )
    return float(value)
