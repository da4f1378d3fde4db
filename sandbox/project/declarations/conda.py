"""conda's `environment.yml`: its pip section is read, its own packages are named as not installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sandbox.project.declarations.items import Item, Unread, shortened
from sandbox.project.declarations.pip_files import requirement_text
from sandbox.project.declarations.reading import FileTree

_FILES = ("environment.yml", "environment.yaml", "conda-environment.yml", "conda.yml")
_PIXI = ("pixi.toml", "pixi.lock")
_ENTRY = re.compile(r"(?P<indent>\s*)-\s+(?P<text>.+)")


def environment_items(tree: FileTree, folder: Path) -> Iterator[Item]:
    """Yield the lines for pip of the first such file, and a sentence about the rest."""
    for name in _FILES:
        if (text := tree.text(folder / name)) is None:
            continue
        packages, lines = _sections(text)
        if packages:
            listed = shortened(", ".join(packages))
            yield Unread(reason=f"{name}: packages of conda are not installed ({listed})")
        yield from requirement_text(tree, "\n".join(lines), place=folder / name)
        break
    for name in _PIXI[:1]:
        if tree.is_file(folder / name):
            yield Unread(reason=f"{name} was not read: packages of conda are not installed")


def _sections(text: str) -> tuple[list[str], list[str]]:
    """Return the entries of `dependencies:`, conda's own and those of the list under `pip:`."""
    packages: list[str] = []
    lines: list[str] = []
    inside, pip_at = False, -1
    for raw in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        if line and not line[0].isspace() and not line.startswith("-"):
            inside, pip_at = line.startswith("dependencies:"), -1
        found = _ENTRY.fullmatch(line) if inside else None
        if found is None:
            continue
        indent, entry = len(found["indent"]), found["text"].strip().strip("'\"")
        if pip_at >= 0 and indent > pip_at:
            lines.append(entry)
            continue
        pip_at = indent if entry == "pip:" else -1
        if entry not in ("pip:", "pip") and not re.match(r"(?:python|pip)\b", entry):
            packages.append(entry)
    return packages, lines
