"""Puts definitions into a file by its syntax tree: everything that a reply does not give stays.

A small model gives one function back well and a whole file badly. The reply's functions take the
place of those of the same name, new ones come behind, imports that are missing are added. Python only.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from agent.editing.python_source import (
    DefinitionNode,
    bound_names,
    definitions,
    parse_python,
    source_lines,
)

_MAIN = "__name__"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedText:
    """A file with definitions put in."""

    text: str
    replaced: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Splice:
    """Lines in the place of others; `first` counts from 0, and `last` is the line behind."""

    first: int
    last: int
    lines: tuple[str, ...]


def is_part_of(block: str, before: str, *, may_vanish: Collection[str] = ()) -> bool:
    """True if a block gives some definitions of a file, or new ones, but not the whole file."""
    given = definitions(textwrap.dedent(block))
    plain = {name.rpartition(".")[2] for name in given} | bound_names(textwrap.dedent(block))
    kept = [name for name in definitions(before) if name.rpartition(".")[2] not in may_vanish]
    missing = [name for name in kept if name.rpartition(".")[2] not in plain]
    loses_values = bool(given) and not kept and bool(bound_names(before) - plain)
    return bool(given) and (bool(missing) or loses_values)


def place_definitions(
    before: str, block: str, *, of_class: str = "", may_vanish: Collection[str] = ()
) -> PlacedText | None:
    """The file with the definitions of a block put in; None where that cannot be done.

    `of_class` is the class that a new method belongs to. Methods that a class of the block leaves out
    stay, unless they are in `may_vanish`.
    """
    source = textwrap.dedent(block).strip("\n") + "\n"
    tree, old = parse_python(source), parse_python(before)
    if tree is None or old is None:
        return None
    given = [node for node in tree.body if isinstance(node, DefinitionNode)]
    if not given:
        return None
    work = _Work(before=before, tree=old, source=source, of_class=of_class, may_vanish=may_vanish)
    for node in given:
        work.place(node)
    work.take_imports(tree, own={node.name for node in given})
    text = work.result()
    return PlacedText(text=text, replaced=tuple(work.replaced), added=tuple(work.added))


@dataclass(kw_only=True)
class _Work:
    before: str
    tree: ast.Module
    source: str
    of_class: str
    may_vanish: Collection[str]
    splices: list[_Splice] = field(default_factory=list)
    appended: list[tuple[str, ...]] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = [line.rstrip("\r\n") for line in source_lines(self.before)]
        self.given_lines = [line.rstrip("\r\n") for line in source_lines(self.source)]
        self.known = definitions(self.before)

    def place(self, node: DefinitionNode) -> None:
        """Put one definition of the block where it belongs."""
        old = self.known.get(node.name) or self._method(node)
        if old is None:
            self._add(node)
        elif isinstance(node, ast.ClassDef) and isinstance(old, ast.ClassDef):
            self._merge(node, old)
        else:
            self._replace(node, old)

    def _method(self, node: DefinitionNode) -> DefinitionNode | None:
        """The one method with this name, where a block gives a method without its class."""
        if isinstance(node, ast.ClassDef):
            return None
        fits = {name: item for name, item in self.known.items() if name.endswith(f".{node.name}")}
        return fits.get(f"{self.of_class}.{node.name}") or (
            next(iter(fits.values())) if len(fits) == 1 and _takes_self(node) else None
        )

    def _replace(self, node: DefinitionNode, old: DefinitionNode) -> None:
        keeps = bool(old.decorator_list) and not node.decorator_list
        first = old.lineno if keeps else _first_line(old)
        lines = self._taken(node, indent=old.col_offset)
        self.splices.append(_Splice(first=first - 1, last=_end(old), lines=lines))
        self.replaced.append(node.name)

    def _merge(self, node: ast.ClassDef, old: ast.ClassDef) -> None:
        """Put a class into the place of the old one; members that it leaves out stay."""
        mine = {item.name: item for item in node.body if isinstance(item, DefinitionNode)}
        theirs = {item.name: item for item in old.body if isinstance(item, DefinitionNode)}
        if all(name in mine or name in self.may_vanish for name in theirs) and (
            _fields(old) <= _fields(node) | frozenset(self.may_vanish)
        ):
            self._replace(node, old)
            return
        behind = _end(old)
        indent = old.body[0].col_offset
        for name, item in mine.items():
            if (there := theirs.get(name)) is not None:
                self._replace(item, there)
            else:
                lines = ("", *self._taken(item, indent=indent))
                self.splices.append(_Splice(first=behind, last=behind, lines=lines))
                self.added.append(f"{old.name}.{name}")
        self._take_docstring(node, old)

    def _take_docstring(self, node: ast.ClassDef, old: ast.ClassDef) -> None:
        if ast.get_docstring(node) is None or ast.get_docstring(old) is not None:
            return
        said = node.body[0]
        indent = " " * old.body[0].col_offset
        given = self.given_lines[said.lineno - 1 : said.end_lineno]
        lines = textwrap.indent(textwrap.dedent("\n".join(given)), indent).splitlines()
        at = (
            min(
                _first_line(item) if isinstance(item, DefinitionNode) else item.lineno
                for item in old.body
            )
            - 1
        )
        self.splices.append(_Splice(first=at, last=at, lines=(*lines, "")))
        self.replaced.append(node.name)

    def _add(self, node: DefinitionNode) -> None:
        holder = self.known.get(self.of_class) if self.of_class else None
        if isinstance(holder, ast.ClassDef) and _takes_self(node):
            behind, indent = _end(holder), holder.body[0].col_offset
            lines = ("", *self._taken(node, indent=indent))
            self.splices.append(_Splice(first=behind, last=behind, lines=lines))
            self.added.append(f"{holder.name}.{node.name}")
            return
        self.appended.append(self._taken(node, indent=0))
        self.added.append(node.name)

    def _taken(self, node: DefinitionNode, *, indent: int) -> tuple[str, ...]:
        """The lines of a definition of the block, at another indent."""
        given = self.given_lines[_first_line(node) - 1 : node.end_lineno]
        plain = textwrap.dedent("\n".join(given))
        return tuple(textwrap.indent(plain, " " * indent).splitlines())

    def take_imports(self, tree: ast.Module, *, own: Collection[str]) -> None:
        """Add the imports and the constants of the block that the file lacks."""
        bound = bound_names(self.before) | set(own)
        lines: list[str] = []
        for node in tree.body:
            segment = "\n".join(self.given_lines[node.lineno - 1 : node.end_lineno])
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                new = [
                    item
                    for item in node.names
                    if (item.asname or item.name).split(".")[0] not in bound
                ]
                if new and getattr(node, "module", "") != "__future__":
                    lines.append(ast.unparse(_with_names(node, new)))
            elif isinstance(node, ast.Assign) and not bound_names(segment) & bound:
                self.splices.append(self._behind_imports(("", segment)))
        if lines:
            self.splices.insert(0, self._behind_imports(tuple(lines)))

    def _behind_imports(self, lines: tuple[str, ...]) -> _Splice:
        imports = [
            node for node in self.tree.body if isinstance(node, (ast.Import, ast.ImportFrom))
        ]
        if imports:
            at = imports[-1].end_lineno or 0
            return _Splice(first=at, last=at, lines=lines)
        has_doc = ast.get_docstring(self.tree) is not None
        at = (self.tree.body[0].end_lineno or 0) if has_doc else 0
        around = ("", *lines) if has_doc else (*lines, "", "")
        return _Splice(first=at, last=at, lines=around)

    def result(self) -> str:
        """The new text."""
        lines = list(self.lines)
        at = self._place_of_new()
        spliced = list(self.splices)
        if self.appended:
            body: list[str] = []
            for item in self.appended:
                body += ["", "", *item]
            spliced.append(_Splice(first=at, last=at, lines=tuple(body)))
        # the last ones first, so that the places of the others stay right
        for splice in sorted(
            enumerate(spliced),
            key=lambda pair: (pair[1].first, pair[1].last, pair[0]),
            reverse=True,
        ):
            lines[splice[1].first : splice[1].last] = splice[1].lines
        return "\n".join(lines).strip("\n") + "\n"

    def _place_of_new(self) -> int:
        """The line behind which new definitions come: the last statement before the main part."""
        for node in self.tree.body:
            if isinstance(node, ast.If) and _MAIN in ast.unparse(node.test):
                at = node.lineno - 1
                while at and not self.lines[at - 1].strip():
                    at -= 1
                return at
        at = len(self.lines)
        while at and not self.lines[at - 1].strip():
            at -= 1
        return at


def _takes_self(node: DefinitionNode) -> bool:
    if isinstance(node, ast.ClassDef):
        return False
    names = {item.id for item in node.decorator_list if isinstance(item, ast.Name)}
    first = [*node.args.posonlyargs, *node.args.args][:1]
    return bool(names & {"property", "staticmethod", "classmethod"}) or any(
        item.arg in ("self", "cls") for item in first
    )


def _fields(node: ast.ClassDef) -> frozenset[str]:
    found = set()
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            found.add(item.target.id)
        elif isinstance(item, ast.Assign):
            found.update(target.id for target in item.targets if isinstance(target, ast.Name))
    return frozenset(found)


def _with_names(node: ast.Import | ast.ImportFrom, names: Sequence[ast.alias]) -> ast.stmt:
    if isinstance(node, ast.Import):
        return ast.Import(names=list(names))
    return ast.ImportFrom(module=node.module, names=list(names), level=node.level)


def _first_line(node: DefinitionNode) -> int:
    return min([node.lineno, *(item.lineno for item in node.decorator_list)])


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno
