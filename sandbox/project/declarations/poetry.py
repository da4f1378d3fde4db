"""Poetry's own tables: `[tool.poetry.dependencies]`, groups, extras, and its version syntax.

Beside a `[project]` table, as Poetry 2 writes it, the same table only says where a package comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from sandbox.project.declarations.items import Folder, Item, Need, Unread, elsewhere, limited
from sandbox.project.declarations.pip_files import is_asked, local
from sandbox.project.declarations.reading import FileTree, strings, table, tables, text_of

PLACE = "pyproject.toml"
_MOST_INCLUDED = 100
_CARET = re.compile(r"\^\s*v?(\d+(?:\.\d+)*)(.*)")
_TILDE = re.compile(r"~\s*v?(\d+(?:\.\d+)*)(.*)")
_WILDCARD = re.compile(r"(==|!=)?\s*v?(\d+(?:\.\d+)*)(?:\.\*)+")
_OPERATOR = re.compile(r"(==|!=|<=|>=|<|>|~=|=)?\s*v?(\d\S*)")


class _VersionError(ValueError):
    """A text is no version constraint."""


def dependencies(
    tree: FileTree, folder: Path, listed: Mapping[str, Any], *, indexes: Mapping[str, str]
) -> tuple[Item, ...]:
    """Return what a table of dependencies asks for; optional ones belong to extras."""
    return tuple(
        item
        for name, value in listed.items()
        if canonicalize_name(name) != "python"
        for spec in (value if isinstance(value, list) else [value])
        if not (isinstance(spec, dict) and spec.get("optional") is True)
        for item in dependency(tree, folder, name, spec, indexes=indexes)
    )


def extras(
    tree: FileTree, folder: Path, poetry: Mapping[str, Any], *, indexes: Mapping[str, str]
) -> dict[str, tuple[Item, ...]]:
    """Return the extras, which name optional dependencies of the main table."""
    listed = {canonicalize_name(k): (k, v) for k, v in table(poetry, "dependencies").items()}
    found: dict[str, tuple[Item, ...]] = {}
    for extra, names in table(poetry, "extras").items():
        items: list[Item] = []
        for name in strings(names):
            known, value = listed.get(canonicalize_name(name), (name, "*"))
            for spec in value if isinstance(value, list) else [value]:
                items += dependency(tree, folder, known, spec, indexes=indexes)
        found[extra] = tuple(items)
    return found


def groups(
    tree: FileTree, folder: Path, poetry: Mapping[str, Any], *, indexes: Mapping[str, str]
) -> dict[str, tuple[Item, ...]]:
    """Return the groups, and the one of before groups, `dev-dependencies`."""
    declared = {
        str(canonicalize_name(name)): group for name, group in table(poetry, "group").items()
    }
    found: dict[str, tuple[Item, ...]] = {}
    for name in declared:
        parts = [table(group, "dependencies") for group in _included(declared, name, {})]
        found[name] = tuple(
            item for part in parts for item in dependencies(tree, folder, part, indexes=indexes)
        )
    if legacy := table(poetry, "dev-dependencies"):
        items = dependencies(tree, folder, legacy, indexes=indexes)
        found["dev"] = (*found.get("dev", ()), *items)
    return found


def _included(
    declared: Mapping[str, object], name: str, seen: dict[str, None]
) -> Iterator[Mapping[str, Any]]:
    """Yield a group and those that it includes, each once."""
    if name in seen or len(seen) > _MOST_INCLUDED:
        return
    seen[name] = None
    group = table(declared.get(name))
    yield group
    for other in strings(group.get("include-groups")):
        yield from _included(declared, canonicalize_name(other), seen)


def private_indexes(poetry: Mapping[str, Any]) -> dict[str, str]:
    """Return the indexes that may have packages of their own, by name."""
    found = {text_of(entry.get("name")): entry for entry in tables(poetry.get("source"))}
    return {
        name: text_of(entry.get("url"))
        for name, entry in found.items()
        if name.lower() != "pypi" and not is_asked(text_of(entry.get("url")))
    }


def dependency(
    tree: FileTree, folder: Path, name: str, spec: object, *, indexes: Mapping[str, str]
) -> Iterator[Item]:
    """Yield one dependency as a requirement line, or as what it is instead."""
    details = spec if isinstance(spec, dict) else {"version": spec}
    if not isinstance(details.get("version", "*"), str):
        yield Unread(reason=f"{PLACE}: the version of {name} is not a text, so it was not read")
        return
    try:
        listed = f"[{','.join(found)}]" if (found := strings(details.get("extras"))) else ""
        line = Need(line=f"{name}{listed}{_versions(details)}", place=PLACE)
        yield _from_its_origin(
            tree, folder, name, details, line=limited(line, _marker(details)), indexes=indexes
        )
    except _VersionError as error:
        yield Unread(reason=f"{PLACE}: {name} was not read: {error}")


def _from_its_origin(
    tree: FileTree,
    folder: Path,
    name: str,
    details: Mapping[str, Any],
    *,
    line: Item,
    indexes: Mapping[str, str],
) -> Item:
    marker = _marker(details)
    if path := text_of(details.get("path")) or text_of(details.get("file")):
        found = tuple(strings(details.get("extras")))
        return local(tree, folder / path, place=PLACE, extras=found, marker=marker)
    for key in ("git", "url"):
        if origin := text_of(details.get(key)):
            return elsewhere(name, origin, place=PLACE)
    if (index := text_of(details.get("source"))) in indexes:
        return elsewhere(name, indexes[index], place=PLACE)
    return line


def sources(
    tree: FileTree, folder: Path, listed: Mapping[str, Any], *, indexes: Mapping[str, str]
) -> dict[str, Folder | Unread]:
    """Return where packages come from that `[project]` asks for, those from the index left out."""
    found: dict[str, Folder | Unread] = {}
    for name, value in listed.items():
        for details in tables(value if isinstance(value, list) else [value]):
            line = Need(line=name, place=PLACE)
            place = _from_its_origin(tree, folder, name, details, line=line, indexes=indexes)
            if isinstance(place, Folder | Unread):
                found.setdefault(canonicalize_name(name), place)
    return found


def _marker(details: Mapping[str, Any]) -> str:
    parts = [text_of(details.get("markers"))]
    if python := text_of(details.get("python")):
        parts.append(_python_marker(python))
    if platform := text_of(details.get("platform")):
        parts.append(_platform_marker(platform))
    given = [part for part in parts if part]
    return " and ".join(f"({part})" for part in given) if len(given) > 1 else "".join(given)


def _python_marker(versions: str) -> str:
    """Turn `^3.8` into a marker; a lone `3.8` or `3.8.*` means all of its releases."""
    alternatives = []
    for text in versions.split("||"):
        specifier = _specifier(text)
        parts = [part for part in specifier.split(",") if part]
        markers = [_compare(_variable(part), part) for part in parts]
        alternatives.append(" and ".join(markers))
    if not all(alternatives):
        return ""
    return " or ".join(f"({each})" if len(alternatives) > 1 else each for each in alternatives)


def _variable(part: str) -> str:
    return "python_version" if re.fullmatch(r"[!=]=\d+\.\d+", part) else "python_full_version"


def _platform_marker(platforms: str) -> str:
    parts = [part.strip() for part in re.split(r"\|\||\|", platforms) if part.strip()]
    markers = [
        f"sys_platform != '{part[1:].lstrip('=').strip()}'"
        if part.startswith("!")
        else f"sys_platform == '{part.lstrip('=').strip()}'"
        for part in parts
    ]
    return " or ".join(markers)


def _compare(variable: str, part: str) -> str:
    digits = part.lstrip("<>=!~")
    return f"{variable} {part[: len(part) - len(digits)]} '{digits}'"


def _versions(details: Mapping[str, Any]) -> str:
    """Return the specifiers; of alternatives that `||` sets apart the last, which is the newest."""
    specifier = _specifier(text_of(details.get("version", "*")).split("||")[-1])
    if details.get("allow-prereleases") is True:
        return f"{specifier},>=0.dev0" if specifier else ">=0.dev0"  # a pre-release allows them all
    return specifier


def _specifier(versions: str) -> str:
    """Translate one constraint such as `^1.2,!=1.3` into the standard's specifiers."""
    text = re.sub(r"(?<=[<>=!~^])\s+", "", versions.strip())
    parts = [part for part in re.split(r"[,\s]+", text) if part]
    return ",".join(filter(None, (_part(part) for part in parts)))


def _part(part: str) -> str:
    if part == "*":
        return ""
    if match := _CARET.fullmatch(part):
        return f">={match[1]}{match[2]},<{_next(match[1], _significant(match[1]))}"
    if match := _TILDE.fullmatch(part):
        return f">={match[1]}{match[2]},<{_next(match[1], min(match[1].count('.'), 1))}"
    if match := _WILDCARD.fullmatch(part):
        return f"{match[1] or '=='}{match[2]}.*"
    if match := _OPERATOR.fullmatch(part):
        return f"{'==' if match[1] in (None, '=') else match[1]}{match[2]}"
    raise _VersionError(f"{part!r} is no version constraint")


def _significant(version: str) -> int:
    """Return the place of the first number that is not zero, or else of the last one."""
    numbers = [int(number) for number in version.split(".")]
    return next((i for i, number in enumerate(numbers) if number), len(numbers) - 1)


def _next(version: str, place: int) -> str:
    numbers = [int(number) for number in version.split(".")][: place + 1]
    return ".".join(str(number) for number in [*numbers[:-1], numbers[-1] + 1])
