"""uv's own table: workspaces, `[tool.uv.sources]`, development dependencies, limits, conflicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.project.declarations.items import Constraint, Folder, Need, Unread, elsewhere, parsed
from sandbox.project.declarations.pip_files import is_asked, local
from sandbox.project.declarations.reading import (
    FileTree,
    ProjectError,
    strings,
    table,
    tables,
    text_of,
)

PLACE = "pyproject.toml"
_MOST_MEMBERS = 500
_MOST_MATCHES = 20_000
_HIGHEST = 12


def members(tree: FileTree, root: Path, pyproject: Mapping[str, Any]) -> dict[str, Path]:
    """Return the folders of a workspace's members by their normalised names."""
    workspace = table(pyproject, "tool", "uv", "workspace")
    left_out = {
        path for text in strings(workspace.get("exclude")) for path in _matching(tree, root, text)
    }
    found: dict[str, Path] = {}
    for text in strings(workspace.get("members")):
        for folder in _matching(tree, root, text):
            if folder in left_out or folder == root or not _is_project(tree, folder):
                continue
            if name := text_of(table(_read(tree, folder), "project").get("name")):
                found.setdefault(canonicalize_name(name), folder)
            if len(found) >= _MOST_MEMBERS:
                return found
    return found


def workspace_root(tree: FileTree, folder: Path) -> Path | None:
    """Return the folder of the workspace that a project belongs to, its own if it is the root."""
    here = folder.resolve()
    for above in [here, *here.parents][:_HIGHEST]:
        if not above.is_relative_to(tree.top):
            return None
        pyproject = _read(tree, above) if _is_project(tree, above) else {}
        if "workspace" in table(pyproject, "tool", "uv"):
            inside = above == here or here in members(tree, above, pyproject).values()
            return above if inside else None
    return None


def sources(
    tree: FileTree, folder: Path, pyproject: Mapping[str, Any], workspace: Mapping[str, Path]
) -> dict[str, Folder | Unread]:
    """Return where packages come from that are not taken from the index, by normalised names.

    `workspace` holds the folders of the members.
    """
    private = _private_indexes(pyproject)
    found: dict[str, Folder | Unread] = {}
    for name, value in table(pyproject, "tool", "uv", "sources").items():
        entries = tables(value) if isinstance(value, list) else tables([value])
        for entry in entries:
            place = _source(tree, folder, name, entry, workspace=workspace, private=private)
            if place is not None:
                found.setdefault(canonicalize_name(name), place)
    return found


def _source(
    tree: FileTree,
    folder: Path,
    name: str,
    entry: Mapping[str, Any],
    *,
    workspace: Mapping[str, Path],
    private: Mapping[str, str],
) -> Folder | Unread | None:
    if entry.get("workspace") is True:
        member = workspace.get(canonicalize_name(name))
        if member is None:
            return Unread(
                reason=f"{PLACE}: {name} is no member of the workspace; nothing is fetched"
            )
        return Folder(path=member, place=PLACE)
    if path := text_of(entry.get("path")):
        found = local(tree, folder / path, place=PLACE)
        return found if isinstance(found, Folder | Unread) else None
    for key in ("git", "url"):
        if origin := text_of(entry.get(key)):
            return elsewhere(name, origin, place=PLACE)
    if (index := text_of(entry.get("index"))) in private:
        return elsewhere(name, private[index], place=PLACE)
    return None


def _private_indexes(pyproject: Mapping[str, Any]) -> dict[str, str]:
    entries = tables(table(pyproject, "tool", "uv").get("index"))
    named = {text_of(entry.get("name")): text_of(entry.get("url")) for entry in entries}
    return {name: url for name, url in named.items() if not is_asked(url)}


def limits(pyproject: Mapping[str, Any]) -> Iterator[Constraint]:
    """Yield the limits on versions that hold for the whole workspace."""
    for line in strings(table(pyproject, "tool", "uv").get("constraint-dependencies")):
        yield Constraint(line=line, place=PLACE)


def overrides(pyproject: Mapping[str, Any]) -> dict[str, Requirement]:
    """Return the requirements that stand in for all others of the same name, here and in PDM."""
    lines = strings(table(pyproject, "tool", "uv").get("override-dependencies"))
    own = table(pyproject, "tool", "pdm", "resolution", "overrides")
    lines += [
        f"{name}=={text}" if text[:1].isdigit() else f"{name}{text}"
        for name, value in own.items()
        if (text := text_of(value))
    ]
    found: dict[str, Requirement] = {}
    for line in lines:
        requirement = parsed(line)
        if requirement is not None and requirement.url is None:
            found[canonicalize_name(requirement.name)] = requirement
    return found


def development(pyproject: Mapping[str, Any]) -> tuple[Need, ...]:
    """Return the development dependencies as uv, and Rye, wrote them before there were groups."""
    tools = (table(pyproject, "tool", name) for name in ("uv", "rye"))
    listed = [line for tool in tools for line in strings(tool.get("dev-dependencies"))]
    return tuple(Need(line=line, place=PLACE) for line in listed)


def conflicts(pyproject: Mapping[str, Any]) -> list[frozenset[tuple[str, str]]]:
    """Return the sets of extras and groups of which only one may be chosen: kind and name."""
    listed = table(pyproject, "tool", "uv").get("conflicts")
    return [
        frozenset(
            (kind, canonicalize_name(text_of(entry[kind])))
            for entry in tables(each)
            for kind in ("extra", "group")
            if kind in entry
        )
        for each in (listed if isinstance(listed, list) else [])
    ]


def _matching(tree: FileTree, root: Path, pattern: str) -> list[Path]:
    """Return the folders that a pattern names, inside the repository."""
    try:
        found = sorted(islice(root.glob(pattern.strip("/") or "."), _MOST_MATCHES))
    except (ValueError, NotImplementedError, OSError, IndexError):
        return []
    return [path.resolve() for path in found if tree.holds(path) and path.is_dir()]


def _is_project(tree: FileTree, folder: Path) -> bool:
    return tree.is_file(folder / "pyproject.toml")


def _read(tree: FileTree, folder: Path) -> dict[str, Any]:
    """Return a neighbour's pyproject.toml; one that is broken has no say here."""
    try:
        return tree.toml(folder / "pyproject.toml")
    except ProjectError as error:
        tree.refused[folder / "pyproject.toml"] = str(error)
        return {}
