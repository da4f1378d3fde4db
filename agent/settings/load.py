"""Reads the settings once: command line > environment > project > user > default.

Every value keeps its origin. A setting that is unknown, of the wrong type, or not allowed in a
project's file is an error with file and line, never ignored.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from agent.errors import ConfigError
from agent.paths import user_config_file
from agent.settings.files import Given, read_project, read_user
from agent.settings.schema import (
    FixSettings,
    LearnSettings,
    ModelSettings,
    ProjectMay,
    SandboxSettings,
    SessionSettings,
    SettingRule,
    Settings,
    TurnSettings,
    is_plain_name,
    rule_of,
)
from agent.settings.values import check_bounds, from_data, from_text

__all__ = [
    "ConfigError",
    "FixSettings",
    "LearnSettings",
    "Loaded",
    "ModelSettings",
    "SandboxSettings",
    "SessionSettings",
    "Settings",
    "TurnSettings",
    "describe",
    "load",
]

_PREFIX = "ELAGENT_"
# Short names for what is set most often.
_ALIASES = MappingProxyType({"ELAGENT_MODEL": "model.name"})
# Earlier names of settings, which are still read.
_RENAMED = MappingProxyType({"learn.practice_min": "learn.self_play_min"})
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings, and the origin of each dotted key's value."""

    settings: Settings
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    value: object
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Declaration of one dotted key."""

    type: object
    rule: SettingRule
    default: object


def load(
    cwd: Path,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] = MappingProxyType({}),
    *,
    trusted: bool = True,
) -> Loaded:
    """All settings for `cwd`; those of a project only if it is `trusted`.

    `overrides` are the options of the command line by dotted key (`model.name`); None is "not
    given".

    Raises:
        ConfigError: If anything that was given cannot be used.
    """
    known = dict(_declared())
    user = {
        key: _Value(value=_from_data(known, key, given.value, given.place), origin=given.place)
        for key, given in _renamed(read_user(user_config_file(environ)))
    }
    now = dict(_from_environ(known, environ)) | {
        key: _Value(value=_from_data(known, key, value, "the command line"), origin="command line")
        for key, value in overrides.items()
        if value is not None
    }
    own = user | now
    project = {
        key: _from_project(known, key, given, own.get(key))
        for key, given in _renamed(read_project(cwd) if trusted else ())
    }
    return _assemble(known, user | project | now)


def present_name(key: str) -> str:
    """The present name of a setting that may be given by an earlier one."""
    return _RENAMED.get(key, key)


def declared(key: str, place: str) -> Known:
    """The declaration of a setting.

    Raises:
        ConfigError: If there is none of this name, with the nearest one.
    """
    return _look_up(dict(_declared()), key, place)


def describe(loaded: Loaded, *, origin: bool = False) -> list[str]:
    """Every setting as `section.key = value`, with its origin if `origin` is true.

    A secret is shown as `(set)`.
    """
    lines = []
    for key, known in _declared():
        section, name = key.split(".")
        value = getattr(getattr(loaded.settings, section), name)
        text = "(set)" if known.rule.secret and value else shown(value)
        lines.append(f"{key} = {text}" + (f"  [{loaded.origins[key]}]" if origin else ""))
    return lines


def _declared() -> Iterator[tuple[str, Known]]:
    for section in dataclasses.fields(Settings):
        sample = section.default
        types = typing.get_type_hints(type(sample))
        for setting in dataclasses.fields(typing.cast("ModelSettings", sample)):
            rule = rule_of(setting)
            known = Known(type=types[setting.name], rule=rule, default=setting.default)
            yield f"{section.name}.{setting.name}", known


def _from_data(known: Mapping[str, Known], key: str, value: object, place: str) -> object:
    declared = _look_up(known, key, place)
    converted = from_data(declared.type, value, key=key, place=place)
    check_bounds(converted, declared.rule, key=key, place=place)
    return converted


def _look_up(known: Mapping[str, Known], key: str, place: str) -> Known:
    if key in known:
        return known[key]
    section = f"{key.partition('.')[0]}."
    own = [each for each in known if each.startswith(section)]
    close = difflib.get_close_matches(key, own or known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    if own and not close:
        hint = f"; there are {', '.join(own)}"
    raise ConfigError(f"{place}: there is no setting {key!r}{hint}")


def _renamed(given: Iterable[tuple[str, _T]]) -> Iterator[tuple[str, _T]]:
    """The same values under the settings' present names.

    Values under an earlier name come first, so that one under the present name overrides them.
    """
    for key, value in sorted(given, key=lambda item: item[0] not in _RENAMED):
        yield _RENAMED.get(key, key), value


def _from_environ(
    known: Mapping[str, Known], environ: Mapping[str, str]
) -> Iterator[tuple[str, _Value]]:
    # Sorted, so that the alias ELAGENT_MODEL comes before, and gives way to, ELAGENT_MODEL_NAME.
    for name in sorted(environ):
        key = _ALIASES.get(name) or _key_of(known, name)
        key = _RENAMED.get(key, key) if key else None
        text = environ[name]
        if key is None or not text:
            continue
        place = f"the environment variable {name}"
        declared = _look_up(known, key, place)
        value = from_text(declared.type, text, key=key, place=place)
        check_bounds(value, declared.rule, key=key, place=place)
        yield key, _Value(value=value, origin=f"environment {name}")


def _key_of(known: Mapping[str, Known], name: str) -> str | None:
    """The dotted key of `ELAGENT_<SECTION>_<KEY>`; None for other variables."""
    section, _, rest = name.removeprefix(_PREFIX).lower().partition("_")
    sections = {key.split(".")[0] for key in known}
    is_ours = name.startswith(_PREFIX) and bool(rest) and section in sections
    return f"{section}.{rest}" if is_ours else None


def _from_project(known: Mapping[str, Known], key: str, given: Given, own: _Value | None) -> _Value:
    value = _from_data(known, key, given.value, given.place)
    declared = known[key]
    allowed = declared.default if own is None else own.value
    problem = _overstep(declared.rule.project, value, allowed)
    if problem:
        raise ConfigError(f"{given.place}: {key} {problem}")
    return _Value(value=value, origin=given.place)


def _overstep(may: ProjectMay, value: object, allowed: object) -> str:
    """The reason why a project's file may not set this value; empty if it may."""
    match may:
        case ProjectMay.NOTHING:
            return "can only be set by the user, not by a project's file; remove it there"
        case ProjectMay.LOWER if _exceeds(value, allowed):
            return (
                f"= {value} loosens a limit: a project's file may only go below the user's "
                f"own {allowed}"
            )
        case ProjectMay.SWITCH_OFF if value is True and allowed is not True:
            return "can only be switched on by the user, not by a project's file"
        case ProjectMay.SET_PLAIN_NAME if not is_plain_name(str(value)):
            return f"= {value!r}: a project's file may only name a model of the catalog"
        case _:
            return ""


def _exceeds(value: object, allowed: object) -> bool:
    if isinstance(value, int | float) and isinstance(allowed, int | float):
        return value > allowed
    return True


def _assemble(known: Mapping[str, Known], values: Mapping[str, _Value]) -> Loaded:
    sections: dict[str, dict[str, object]] = {}
    for key, value in values.items():
        section, name = key.split(".")
        sections.setdefault(section, {})[name] = value.value
    defaults = Settings()
    changed = {
        section: dataclasses.replace(getattr(defaults, section), **names)
        for section, names in sections.items()
    }
    origins = {key: values[key].origin if key in values else "default" for key in known}
    return Loaded(
        settings=dataclasses.replace(defaults, **changed), origins=MappingProxyType(origins)
    )


def shown(value: object) -> str:
    """A value as a file of settings has it."""
    if value is None:
        return "(not set)"
    return str(value).lower() if isinstance(value, bool) else str(value)
