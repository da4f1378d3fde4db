"""Converts values of files and variables to a setting's declared type, with an error that says why not."""

from __future__ import annotations

import math
import re
import types
import typing

from agent.errors import ConfigError
from agent.settings.schema import SettingRule
from agent.settings.servers import OutsideServers, read_servers

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_OTHER_SCHEME = re.compile(r"\s*(?!https?://)\w+://", re.IGNORECASE)
"""Begins an address that is surely none of a server of models; one without a scheme is read as http."""


def from_data(declared: object, value: object, *, key: str, place: str) -> object:
    """A TOML or command line value as the declared type; nothing but int to float is converted.

    Raises:
        ConfigError: If it is of another type, naming the place and the key.
    """
    choices = typing.get_args(declared) if typing.get_origin(declared) is typing.Literal else ()
    if choices:
        if value not in choices or not isinstance(value, str):
            raise ConfigError(f"{place}: {key} must be one of {', '.join(choices)}, not {value!r}")
        return value
    wanted = _required(declared)
    if wanted is OutsideServers:
        return read_servers(value, key=key, place=place)
    if wanted is float and type(value) is int:
        return float(value)
    # bool is a subclass of int, and `true` is no number.
    if type(value) is not wanted:
        raise ConfigError(f"{place}: {key} must be {_named(wanted)}, not {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{place}: {key} must be a finite number, not {value}")
    return value


def from_text(declared: object, text: str, *, key: str, place: str) -> object:
    """The text of an environment variable as the declared type.

    Raises:
        ConfigError: If it cannot be read as that, naming the place and the key.
    """
    wanted = _required(declared)
    value: object = text
    try:
        if wanted is bool:
            value = _boolean(text)
        elif wanted is int:
            value = int(text)
        elif wanted is float:
            value = float(text)
    except ValueError as err:
        raise ConfigError(f"{place}: {key} must be {_named(wanted)}, not {text!r}") from err
    return from_data(declared, value, key=key, place=place)


def check_bounds(value: object, rule: SettingRule, *, key: str, place: str) -> None:
    """Raises a ConfigError if a number is outside of what its rule allows, or a text is empty."""
    if isinstance(value, str) and not value.strip():
        raise ConfigError(f"{place}: {key} must not be empty")
    if rule.url and isinstance(value, str) and _OTHER_SCHEME.match(value):
        raise ConfigError(f"{place}: {key} must look like http://localhost:11434/v1, not {value!r}")
    if isinstance(value, str) or not isinstance(value, int | float):
        return
    if rule.low is not None and value < rule.low:
        raise ConfigError(f"{place}: {key} must be at least {rule.low:g}, not {value:g}")
    if rule.high is not None and value > rule.high:
        raise ConfigError(f"{place}: {key} must be at most {rule.high:g}, not {value:g}")


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError(text)


def _required(declared: object) -> object:
    """The type itself, without its `| None`."""
    if isinstance(declared, types.UnionType):
        return next(part for part in typing.get_args(declared) if part is not types.NoneType)
    return declared


def _named(wanted: object) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return names[typing.cast("type", wanted)]
