"""Reads `noxfile.py` from its syntax tree: what the session that runs the tests installs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sandbox.project.declarations.items import Folder, Item, Unread
from sandbox.project.declarations.pip_files import requirement_text
from sandbox.project.declarations.reading import FileTree, ProjectError, parse_python
from sandbox.project.declarations.scripts import UnknownValueError, Values

_NAMED = re.compile(r"(?:unit_?)?tests?(?:_?unit)?|testing|pytest|run_tests?")
_RUNNERS = re.compile(r"pytest|unittest|coverage|trial|stestr")
_INSTALLING = ("install", "run_install", "run_always")
_WITH_FILE = ("-r", "-c", "-e", "--requirement", "--constraint", "--editable")
_WITH_GROUP = ("--group", "--only-group", "--with", "--only", "-G")
_WITH_EXTRA = ("--extra", "--extras", "-E")
_WITH_VALUE = (
    *("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--python", "--target"),
    *("-C", "--config-settings", "--no-binary", "--only-binary", "--upgrade-strategy"),
)
_ATTACHED = ("-r", "-c", "-e")
_TOOLS = ("uv", "poetry", "pdm", "hatch")


def session_items(tree: FileTree, folder: Path) -> Iterator[Item]:
    """Yield what is installed for the tests: by the session of that name, or that runs a runner."""
    path = folder / "noxfile.py"
    source = tree.read(path)
    if source is None:
        return
    try:
        module = parse_python(source)
    except ProjectError as error:
        yield Unread(reason=f"{tree.name(path)} was not read: {error}")
        return
    sessions = [node for node in module.body if _is_session(node)]
    functions = [node for node in sessions if isinstance(node, ast.FunctionDef)]
    named = [each for each in functions if _NAMED.fullmatch(each.name)]
    running = [each for each in functions if _runs_tests(each)]
    for function in (named or running)[:1]:
        yield from _Session(tree, path, Values(module)).items(function)


def _is_session(node: ast.stmt) -> bool:
    if not isinstance(node, ast.FunctionDef) or not node.args.args:
        return False
    return any(re.search(r"\bsession\b", ast.unparse(each)) for each in node.decorator_list)


def _runs_tests(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "run"
        and any(_RUNNERS.search(ast.unparse(each)) for each in node.args[:3])
        for node in ast.walk(function)
    )


@dataclass(frozen=True, slots=True)
class _Session:
    tree: FileTree
    path: Path
    values: Values

    def items(self, function: ast.FunctionDef) -> Iterator[Item]:
        """Yield what every call that installs something asks for, and what decorators name."""
        own = function.args.args[0].arg
        for decorator in function.decorator_list:
            yield from self._decorator(decorator)
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Attribute(attr="conda_install")):
                    yield Unread(reason=f"{self._place}: packages of conda are not installed")
                case ast.Call(func=ast.Attribute(value=value, attr=name)) if (
                    name in _INSTALLING and ast.unparse(value).split(".")[0] == own
                ):
                    yield from self._call(node.args, installs=name == "install")
                case _:
                    continue

    @property
    def _place(self) -> str:
        return self.tree.name(self.path)

    def _decorator(self, node: ast.expr) -> Iterator[Item]:
        """Read `@session(uv_groups=["test"])`, as nox-uv writes it."""
        if not isinstance(node, ast.Call):
            return
        found = {word.arg: self._known(word.value) for word in node.keywords if word.arg}
        extras, groups = found.get("uv_extras", ()), found.get("uv_groups", ())
        if extras or groups:
            yield self._own(extras, groups)

    def _known(self, node: ast.expr) -> tuple[str, ...]:
        try:
            return tuple(text for text in self.values.texts(node) if isinstance(text, str))
        except UnknownValueError:
            return ()

    def _own(self, extras: Sequence[str], groups: Sequence[str]) -> Folder:
        return Folder(
            path=self.path.parent, place=self._place, extras=tuple(extras), groups=tuple(groups)
        )

    def _call(self, arguments: Sequence[ast.expr], *, installs: bool) -> Iterator[Item]:
        words: list[str] = []
        for argument in arguments:
            try:
                for value in self.values.texts(argument):
                    if isinstance(value, str):
                        words.append(value)
                    else:
                        yield from self._computed(value)
            except UnknownValueError:
                yield self._unknown(argument)
        lines, extras, groups = _sorted_out(_asked_for(words, installs=installs))
        yield from requirement_text(self.tree, "\n".join(lines), place=self.path)
        if extras or groups:
            yield self._own(extras, groups)

    def _computed(self, node: ast.expr) -> Iterator[Item]:
        match node:
            case ast.Call(func=ast.Attribute(attr="dependency_groups"), args=[_, *names]):
                groups = [name for each in names for name in self._known(each)]
                yield self._own((), groups)
            case _:
                yield self._unknown(node)

    def _unknown(self, node: ast.expr) -> Unread:
        text = " ".join(ast.unparse(node).split())[:80]
        return Unread(reason=f"{self._place}: {text} is computed as it runs, so it was not read")


def _asked_for(words: Sequence[str], *, installs: bool) -> list[str]:
    """Return the words that pip gets, or of another tool's command its options and their values.

    `installs` says that all of the words are pip's; `uv pip install` says so, too.
    """
    if installs:
        return list(words)
    if "pip" in words and "install" in words:
        return list(words[words.index("install") + 1 :])
    if words[:1] and words[0] in _TOOLS:
        takes = (*_WITH_FILE, *_WITH_GROUP, *_WITH_EXTRA)
        values = {after for before, after in pairwise(words) if before in takes}
        return [word for word in words if word.startswith("-") or word in values]
    return []


def _sorted_out(words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the lines for pip, the extras and the groups that these words ask for."""
    lines: list[str] = []
    extras: list[str] = []
    groups: list[str] = []
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option in (*_WITH_FILE, *_WITH_GROUP, *_WITH_EXTRA, *_WITH_VALUE):
            value = value if equals else next(rest, "")
        if option in _WITH_FILE:
            lines.append(f"{option} {value}")
        elif option in (*_WITH_GROUP, *_WITH_EXTRA):
            (groups if option in _WITH_GROUP else extras).extend(filter(None, value.split(",")))
        elif not word.startswith("-") or word.startswith(_ATTACHED):
            lines.append(word)
    return lines, extras, groups
