"""Hatch's environments, in pyproject.toml or hatch.toml: which of them run tests, what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.project.declarations.items import Folder, Item, Need, Unread, needs
from sandbox.project.declarations.pip_files import requirement_file, requirement_line
from sandbox.project.declarations.reading import FileTree, strings, table

_TESTING = re.compile(r"hatch-test|(?:unit-?)?tests?|testing|pytest", re.IGNORECASE)
_RUNNERS = re.compile(r"\b(?:pytest|unittest|coverage run|trial|stestr)\b")
_DEEPEST = 10
_CONTEXT = re.compile(r"\{(root|home)(?::(parent(?::parent)*))?(?::(uri|real))?\}")


def environment_items(tree: FileTree, folder: Path, pyproject: Mapping[str, Any]) -> Iterator[Item]:
    """Yield what the environments that run tests hold; the first that is named for it, if any."""
    file = tree.toml(folder / "hatch.toml")
    environments = table(file, "envs") or table(pyproject, "tool", "hatch", "envs")
    place = "hatch.toml" if table(file, "envs") else "pyproject.toml"
    for name in _testing(environments):
        for environment in _lineage(environments, name):
            yield from _items(tree, folder, name, environment, place)


def hook_lines(tree: FileTree, folder: Path, pyproject: Mapping[str, Any]) -> Iterator[Item]:
    """Yield what the metadata hook hatch-requirements-txt reads out of files."""
    hook = table(pyproject, "tool", "hatch", "metadata", "hooks", "requirements_txt")
    names = hook.get("filename") or hook.get("files")
    for name in [names] if isinstance(names, str) else strings(names):
        yield from requirement_file(tree, folder / name, asked_by="pyproject.toml")


def _testing(environments: Mapping[str, Any]) -> list[str]:
    """Return the names of environments for tests; the default one counts if it runs a test runner."""
    named = [name for name in environments if _TESTING.fullmatch(name)]
    if named:
        return named
    return [
        name
        for name, environment in environments.items()
        if _RUNNERS.search(str(table(environment, "scripts")))
    ][:1]


def _lineage(environments: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """Yield an environment and those whose settings it inherits."""
    seen: set[str] = set()
    own = {"dependencies", "features", "dependency-groups"}
    taken: set[str] = set()
    while name not in seen and len(seen) < _DEEPEST:
        seen.add(name)
        environment = table(environments, name)
        # what a nearer one says replaces the whole option, except for what is extra
        yield {key: value for key, value in environment.items() if key not in taken}
        taken |= own & environment.keys()
        if environment.get("detached") is True:
            return
        template = environment.get("template", "default")
        name = template if isinstance(template, str) else "default"


def _items(
    tree: FileTree, folder: Path, name: str, environment: Mapping[str, Any], place: str
) -> Iterator[Item]:
    for key in ("dependencies", "extra-dependencies"):
        where = f"the {key} of the environment {name}"
        for item in needs(environment.get(key), place=place, key=where):
            if isinstance(item, Need):
                yield from _line(tree, folder, item)
            else:
                yield item
    if "workspace" in environment:
        yield Unread(reason=f"{place}: the workspace of the environment {name} is not followed")
    extras = tuple(strings(environment.get("features")))
    groups = tuple(strings(environment.get("dependency-groups")))
    if extras or groups:
        yield Folder(path=folder, place=place, extras=extras, groups=groups)


def _line(tree: FileTree, folder: Path, item: Need) -> Iterator[Item]:
    """Put in paths such as `{root:parent:uri}/lib`; other substitutions are not known here."""
    line = _CONTEXT.sub(lambda found: _put(folder, found), item.line)
    if "{" in line:
        yield Unread(reason=f"{item.place}: {item.line} was not read: its fields are not filled in")
    else:
        yield from requirement_line(tree, line, folder=folder, place=item.place)


def _put(folder: Path, found: re.Match[str]) -> str:
    if found[1] != "root":
        return found[0]
    path = folder
    for _ in (found[2] or "").split(":") if found[2] else ():
        path = path.parent
    return path.as_uri() if found[3] == "uri" else str(path)
