"""The parts of `setup.cfg` that setuptools reads: `[options]` and its extras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.project.declarations.items import Item, Need
from sandbox.project.declarations.pip_files import requirement_file
from sandbox.project.declarations.reading import FileTree

Sections = Mapping[str, Mapping[str, str]]


def read_sections(tree: FileTree, folder: Path) -> Sections:
    """Return the file's sections."""
    return tree.ini(folder / "setup.cfg")


def option(tree: FileTree, folder: Path, sections: Sections, name: str) -> tuple[Item, ...]:
    """Return the requirements of one of the options, such as `install_requires`."""
    return tuple(_lines(tree, folder, sections.get("options", {}).get(name)))


def extras(tree: FileTree, folder: Path, sections: Sections) -> dict[str, tuple[Item, ...]]:
    """Return the requirements of each extra."""
    listed = sections.get("options.extras_require", {})
    return {name: tuple(_lines(tree, folder, value)) for name, value in listed.items()}


def _lines(tree: FileTree, folder: Path, text: str | None) -> Iterator[Item]:
    """Yield a list, dangling or with semicolons, or what its `file:` directive names."""
    text = (text or "").strip()
    if text.startswith("file:"):
        for name in text.removeprefix("file:").replace("\n", ",").split(","):
            if name.strip():
                path = folder / name.strip()
                yield from requirement_file(tree, path, asked_by="setup.cfg")
        return
    if "\n" not in text and ";" in text and "'" not in text and '"' not in text:
        text = text.replace(";", "\n")  # setuptools splits a list on one line there
    for raw in text.splitlines():
        line = raw.split(" #")[0].strip()
        if line and not line.startswith("#"):
            yield Need(line=line, place="setup.cfg")
