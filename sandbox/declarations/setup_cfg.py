"""The parts of `setup.cfg` that setuptools reads: `[options]` and its extras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.declarations.items import Item, Need, limited
from sandbox.declarations.pip_files import requirement_file
from sandbox.declarations.reading import Tree

_DELIMITERS = ("=",)
Sections = Mapping[str, Mapping[str, str]]


def read_sections(tree: Tree, folder: Path) -> Sections:
    """Return the file's sections; a colon belongs to a key there, as in `test:sys_platform`."""
    return tree.ini(folder / "setup.cfg", delimiters=_DELIMITERS)


def option(tree: Tree, folder: Path, sections: Sections, name: str) -> tuple[Item, ...]:
    """Return the requirements of one of the options, such as `install_requires`."""
    return tuple(_lines(tree, folder, sections.get("options", {}).get(name)))


def extras(tree: Tree, folder: Path, sections: Sections) -> dict[str, tuple[Item, ...]]:
    """Return the requirements of each extra; `name:marker` counts where the marker holds."""
    found: dict[str, tuple[Item, ...]] = {}
    for key, value in sections.get("options.extras_require", {}).items():
        name, _, marker = key.partition(":")
        items = (limited(item, marker) for item in _lines(tree, folder, value))
        found[name] = (*found.get(name, ()), *items)
    return found


def _lines(tree: Tree, folder: Path, text: str | None) -> Iterator[Item]:
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
