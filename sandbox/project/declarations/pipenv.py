"""Pipenv's `Pipfile`: packages, and the categories that developers and tests use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from sandbox.project.declarations.items import Item, Need, Unread, elsewhere, limited
from sandbox.project.declarations.pip_files import is_asked, local
from sandbox.project.declarations.reading import FileTree, strings, table, tables, text_of

PLACE = "Pipfile"
_MARKERS = ("os_name", "sys_platform", "platform_machine", "platform_system", "python_version")
_NO_CATEGORIES = frozenset(
    {"packages", "source", "requires", "scripts", "pipenv", "pipenv-options"}
)


def read_pipfile(tree: FileTree, folder: Path) -> dict[str, tuple[Item, ...]]:
    """Return what each category of the Pipfile holds, `packages` and `dev-packages` among them.

    Raises:
        ProjectError: If it is not TOML.
    """
    data = tree.toml(folder / PLACE)
    named = {
        text_of(each.get("name")): text_of(each.get("url")) for each in tables(data.get("source"))
    }
    private = {name: url for name, url in named.items() if not is_asked(url)}
    return {
        "dev" if name == "dev-packages" else name: tuple(
            item
            for package, spec in table(data, name).items()
            for item in _package(tree, folder, package, spec, private)
        )
        for name in data
        if name == "packages" or name not in _NO_CATEGORIES
    }


def _package(
    tree: FileTree, folder: Path, name: str, spec: object, private: Mapping[str, str]
) -> Iterator[Item]:
    details: dict[str, Any] = spec if isinstance(spec, dict) else {"version": spec}
    version = details.get("version", "*")
    if not isinstance(version, str):
        yield Unread(reason=f"{PLACE}: the version of {name} is not a text, so it was not read")
        return
    marker = _marker(details)
    extras = tuple(strings(details.get("extras")))
    if path := text_of(details.get("path")):
        yield local(tree, folder / path, place=PLACE, extras=extras, marker=marker)
        return
    origins = (text_of(details.get(key)) for key in ("git", "hg", "svn", "bzr", "file", "url"))
    if origin := next(filter(None, origins), ""):
        yield elsewhere(name, origin, place=PLACE)
    elif (index := text_of(details.get("index"))) in private:
        yield elsewhere(name, private[index], place=PLACE)
    else:
        listed = f"[{','.join(extras)}]" if extras else ""
        exact = version.strip()
        limit = "" if exact == "*" else f"=={exact}" if exact[:1].isdigit() else exact
        yield limited(Need(line=f"{canonicalize_name(name)}{listed}{limit}", place=PLACE), marker)


def _marker(details: Mapping[str, Any]) -> str:
    """Join `markers` with the single ones, such as `sys_platform = "== 'win32'"`."""
    parts = [text_of(details.get("markers"))]
    parts += [f"{key} {text}" for key in _MARKERS if (text := text_of(details.get(key)))]
    given = [part for part in parts if part]
    return " and ".join(f"({part})" for part in given) if len(given) > 1 else "".join(given)
