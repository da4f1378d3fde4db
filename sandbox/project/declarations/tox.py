"""tox's configuration, INI and TOML: the environment that runs the tests here, and what it installs.

Of the environments that tox runs by default the one counts that is for this Python and runs tests.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

from sandbox.project.declarations.items import Folder, Item, Unread, shortened
from sandbox.project.declarations.pip_files import requirement_text
from sandbox.project.declarations.reading import FileTree, parse_ini, strings, table, text_of

_RUNNERS = re.compile(
    r"\b(?:py\.?test|unittest|coverage|trial|stestr|nose\w*|nox|runtests|tests?)\b"
)
_PYTHON = re.compile(r"py(?:py)?\d*|pypy[\d.]*|python[\d.]*|\d\.\d+|jython\d*|cpython[\d.]*")
_MINOR = sys.version_info.minor
_THIS_PYTHON = frozenset(
    {
        "py",
        "py3",
        "python3",
        f"py3{_MINOR}",
        f"3.{_MINOR}",
        f"python3.{_MINOR}",
        f"cpython3.{_MINOR}",
    }
)
_UNSETTLED = re.compile(
    r"(?:^|-)\w*(?:main|master|dev|nightly|latest|head|trunk|min|lowest|oldest)(?:-|$)"
)
_FACTORS = re.compile(r"([\w.{},!-]+):\s+(.*)")
_REFERENCE = re.compile(r"\{\[([^\]]+)\]([\w-]+)\}")
_ENVIRONMENT = re.compile(r"\{env:[^:}]*(?::([^}]*))?\}")
_ROOTS = re.compile(r"\{(?:toxinidir|tox_root)\}/?")
_MOST_ENVIRONMENTS = 2_000
_MOST_CHARACTERS = 20_000
_DEEPEST = 10


@dataclass(frozen=True, slots=True)
class _Config:
    """All environments of a configuration, in the words of its INI form."""

    place: Path
    listed: tuple[str, ...]
    sections: Mapping[str, Mapping[str, str]]
    base: str = "testenv"

    def value(self, name: str, key: str) -> str:
        """Return an environment's option, its own or the one that it inherits."""
        own = self.sections.get(f"{self.base}:{name}", {})
        return own[key] if key in own else self.sections.get(self.base, {}).get(key, "")


def environment_items(tree: FileTree, folder: Path, pyproject: Mapping[str, Any]) -> Iterator[Item]:
    """Yield what tox installs for the tests on this Python."""
    config = _find(tree, folder, pyproject)
    name = _chosen(config)
    factors = frozenset(name.split("-")) | {f"py3{_MINOR}"}
    place = tree.name(config.place)
    lines: list[str] = []
    for raw in _lines(config, config.value(name, "deps"), factors):
        line = _ROOTS.sub(f"{folder}/", _ENVIRONMENT.sub(lambda m: m[1] or "", raw))
        if "{" in line.split(";")[0]:
            yield Unread(
                reason=f"{place}: {shortened(line)} was not read: tox fills it in as it runs"
            )
        else:
            lines.append(line)
    yield from requirement_text(tree, "\n".join(lines), place=config.place)
    extras = _names(config, config.value(name, "extras"), factors)
    groups = _names(config, config.value(name, "dependency_groups"), factors)
    if extras or groups:
        yield Folder(path=folder, place=place, extras=extras, groups=groups)


def _find(tree: FileTree, folder: Path, pyproject: Mapping[str, Any]) -> _Config:
    """Return the configuration that tox would take: it looks at these places in this order."""
    if tree.is_file(folder / "tox.ini"):
        return _from_ini(folder / "tox.ini", tree.ini(folder / "tox.ini"))
    sections = tree.ini(folder / "setup.cfg")
    if "tox:tox" in sections:
        return _from_ini(folder / "setup.cfg", {**sections, "tox": sections["tox:tox"]})
    own = table(pyproject, "tool", "tox")
    if text := text_of(own.get("legacy_tox_ini")):
        return _from_ini(folder / "pyproject.toml", parse_ini(text))
    if own:
        return _from_toml(folder / "pyproject.toml", own)
    return _from_toml(folder / "tox.toml", tree.toml(folder / "tox.toml"))


def _from_ini(place: Path, sections: Mapping[str, Mapping[str, str]]) -> _Config:
    named: dict[str, Mapping[str, str]] = {}
    for section, values in sections.items():
        kind, colon, name = section.partition(":")
        for each in _expanded(name) if kind == "testenv" and colon else ():
            named[f"testenv:{each}"] = values
    core = sections.get("tox", {})
    listed = core.get("env_list") or core.get("envlist") or ""
    names = tuple(name for part in _split(listed) for name in _expanded(part))
    return _Config(place, names[:_MOST_ENVIRONMENTS], {**sections, **named})


def _from_toml(place: Path, data: Mapping[str, Any]) -> _Config:
    sections = {"testenv": _flat(table(data, "env_run_base"))}
    for name, environment in table(data, "env").items():
        sections[f"testenv:{name}"] = _flat(table(environment))
    return _Config(place, tuple(strings(data.get("env_list"))), sections)


def _flat(environment: Mapping[str, Any]) -> dict[str, str]:
    """Write an environment of the TOML form in the words of the other one."""
    found: dict[str, str] = {}
    for key in ("deps", "extras", "dependency_groups", "commands"):
        value = environment.get(key)
        if isinstance(value, list):
            found[key] = "\n".join(
                each if isinstance(each, str) else str(each).replace("{", "").replace("}", "")
                for each in value
                if key != "deps" or isinstance(each, str)
            )
        elif isinstance(value, str):
            found[key] = value
    return found


def _chosen(config: _Config) -> str:
    """Return the environment for this Python that runs tests; of several the plainest, or newest."""
    fitting = [
        name
        for name in config.listed
        if _fits(name.split("-")) and _RUNNERS.search(config.value(name, "commands") or name)
    ]
    plain = [name for name in fitting if set(name.split("-")) <= _THIS_PYTHON]
    settled = [name for name in fitting if not _UNSETTLED.search(name)]
    versioned = [name for name in settled if _THIS_PYTHON & set(name.split("-"))]
    for names in (plain[-1:], versioned[-1:], settled[-1:], fitting[-1:]):
        if names:
            return names[0]
    return "py"


def _fits(factors: Sequence[str]) -> bool:
    pythons = [factor for factor in factors if _PYTHON.fullmatch(factor)]
    return all(factor in _THIS_PYTHON for factor in pythons)


def _lines(config: _Config, text: str, factors: frozenset[str], depth: int = 0) -> Iterator[str]:
    """Yield the lines that count for these factors, references to other sections followed."""
    for raw in text.splitlines() if depth < _DEEPEST else ():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if match := _FACTORS.fullmatch(line):
            line = match[2].strip() if _holds(match[1], factors) else ""
        if found := _REFERENCE.search(line):
            inner = config.sections.get(found[1], {}).get(found[2], "")
            before, after = line[: found.start()], line[found.end() :]
            for each in _lines(config, inner, factors, depth + 1):
                yield f"{before}{each}{after}"
        elif line:
            yield line


def _holds(condition: str, factors: frozenset[str]) -> bool:
    """Judge `py311,py312-!django42`: alternatives of factors that are all there, or are not."""
    return any(
        all(
            (part[1:] not in factors) if part.startswith("!") else part in factors
            for part in alternative.split("-")
        )
        for text in _split(condition)
        for alternative in _expanded(text)
    )


def _names(config: _Config, text: str, factors: frozenset[str]) -> tuple[str, ...]:
    lines = _lines(config, text, factors)
    return tuple(name for line in lines for name in re.split(r"[,\s]+", line) if name)


def _split(text: str) -> list[str]:
    """Split a list at commas and lines, but not inside braces."""
    text = re.sub(r"(?m)(^|\s)#.*$", "", text[:_MOST_CHARACTERS])
    parts = re.split(r"[,\n]+(?![^{]*\})", text)
    return [part.strip() for part in parts if part.strip()]


def _expanded(text: str) -> list[str]:
    """Return the names that `py{310,311}-x` or `py3{10-13}` stands for."""
    pieces = re.split(r"\{([^{}]*)\}", text)
    choices = [
        _choices(piece) if place % 2 else [piece.strip()] for place, piece in enumerate(pieces)
    ]
    return ["".join(parts) for parts in islice(product(*choices), _MOST_ENVIRONMENTS)]


def _choices(text: str) -> list[str]:
    if found := re.fullmatch(r"\s*(\d{1,3})-(\d{1,3})\s*", text):
        return [str(number) for number in range(int(found[1]), int(found[2]) + 1)]
    return [part.strip() for part in text.split(",")]
