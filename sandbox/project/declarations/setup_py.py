"""Reads `setup.py` from its syntax tree; nothing of it ever runs.

Understood are lists of texts, however they are put together, dictionaries of extras, and files of
lines that are read in any of the usual ways. The rest is named as not read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.project.declarations.items import Item, Need, Unread, limited
from sandbox.project.declarations.pip_files import requirement_file
from sandbox.project.declarations.reading import FileTree, ProjectError, parse_python
from sandbox.project.declarations.scripts import UnknownValueError, Values, is_name_of_file

_EXTENSIONS = frozenset({"ext_modules", "cffi_modules"})
_KEYWORDS = ("install_requires", "tests_require", "extras_require", "setup_requires")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupScript:
    """Arguments that a setup script passes to `setup`."""

    name: str = ""
    install: tuple[Item, ...] = ()
    tests: tuple[Item, ...] = ()
    build: tuple[Item, ...] = ()
    extras: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    compiles: bool = False
    """True if it builds extensions, as most do in C."""


def read_setup_script(tree: FileTree, path: Path) -> SetupScript:
    """Read the arguments of `setup` in a script; without a script nothing is needed."""
    source = tree.read(path)
    if source is None:
        return SetupScript()
    place = tree.name(path)
    try:
        module = parse_python(source)
    except ProjectError as error:
        return SetupScript(install=(Unread(reason=f"{place} was not read: {error}"),))
    script = _Script(tree, path, place, Values(module))
    arguments = _arguments(module)
    return SetupScript(
        name=script.name(arguments.get("name")),
        install=tuple(script.needs("install_requires", arguments.get("install_requires"))),
        tests=tuple(script.needs("tests_require", arguments.get("tests_require"))),
        build=tuple(script.needs("setup_requires", arguments.get("setup_requires"))),
        extras=script.extras(arguments.get("extras_require")),
        compiles=not _EXTENSIONS.isdisjoint(arguments),
    )


def _arguments(module: ast.Module) -> dict[str, ast.expr]:
    """Return the arguments of `setup`, those that go through a dictionary of arguments as well."""
    found: dict[str, ast.expr] = {}
    last: dict[str, ast.expr] = {}
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Name(id="setup") | ast.Attribute(attr="setup")):
                last |= {word.arg: word.value for word in node.keywords if word.arg}
            case ast.Call():
                found |= {w.arg: w.value for w in node.keywords if w.arg in _KEYWORDS and w.arg}
            case ast.Dict():
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value in _KEYWORDS:
                        found[str(key.value)] = value
            case _:
                continue
    return found | last


@dataclass(frozen=True, slots=True)
class _Script:
    tree: FileTree
    path: Path
    place: str
    values: Values

    def name(self, node: ast.expr | None) -> str:
        try:
            return self.values.text(node)
        except UnknownValueError:
            return ""

    def needs(self, key: str, node: ast.expr | None) -> Iterator[Item]:
        try:
            for value in self.values.texts(node):
                if isinstance(value, str):
                    lines = (line.strip() for line in value.splitlines())
                    yield from (Need(line=line, place=self.place) for line in lines if line)
                else:
                    yield from self._file(value)
        except UnknownValueError:
            yield Unread(reason=f"{self.place}: {key} is computed as it runs, so it was not read")

    def extras(self, node: ast.expr | None) -> dict[str, tuple[Item, ...]]:
        found: dict[str, tuple[Item, ...]] = {}
        try:
            for key, value in self.values.pairs(node):
                name, _, marker = key.partition(":")
                items = self.needs(f"the extra {key!r}", value)
                found[name] = (*found.get(name, ()), *(limited(item, marker) for item in items))
        except UnknownValueError:
            why = f"{self.place}: extras_require is computed as it runs, so it was not read"
            found["test"] = (Unread(reason=why),)
        return found

    def _file(self, node: ast.expr) -> Iterator[Item]:
        """Read the file that an expression such as `open("requirements.txt").read()` names."""
        texts = list(self.values.mentioned(node))
        names = {text for text in texts if is_name_of_file(text)}
        if len(names) != 1:
            raise UnknownValueError
        path = self.path.parent / names.pop()
        beside = [self.path.parent / text / path.name for text in texts if text != path.name]
        paths = [path, *beside]  # os.path.join("requirements", "base.txt")
        found = next((path for path in paths if self.tree.is_file(path)), path)
        yield from requirement_file(self.tree, found, asked_by=self.place)
