"""Puts definitions into a file by its syntax tree: everything that a reply does not give stays.

A small model gives one function back well and a whole file badly. The reply's functions take the
place of those of the same name, new ones come behind, imports that are missing are added. Python only.
"""

from __future__ import annotations

import ast
import textwrap
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from agent.editing.placed import PlacedText
from agent.editing.python_source import (
    DefinitionNode,
    bound_names,
    definition_counts,
    definitions,
    first_line,
    parse_python,
    source_lines,
)

_MAIN = "__name__"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Splice:
    """Lines in the place of others; `first` counts from 0, and `last` is the line behind."""

    first: int
    last: int
    lines: tuple[str, ...]


def place_definitions(
    before: str, block: str, *, of_class: str = "", may_vanish: Collection[str] = ()
) -> PlacedText | None:
    """The file with the definitions of a block put in; None where that cannot be done.

    Nothing of a block is passed over: one that changes a constant, runs something, gives a class
    other fields or bases, or defines a name twice, as a property with its setter, cannot be put in.

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
    own = Counter(node.name for node in given)
    work.take_imports(tree, own=own.keys())
    if work.unclear or max(own.values()) > 1:
        return None
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
    unclear: bool = False
    """Something of the block would be passed over, or take the place of more than it replaces."""

    def __post_init__(self) -> None:
        self.lines = [line.rstrip("\r\n") for line in source_lines(self.before)]
        self.given_lines = [line.rstrip("\r\n") for line in source_lines(self.source)]
        self.known = definitions(self.before)
        counts = definition_counts(self.tree)
        self.repeated = {name for name, count in counts.items() if count > 1}

    def place(self, node: DefinitionNode) -> None:
        """Put one definition of the block where it belongs."""
        name = node.name if node.name in self.known else self._method(node)
        old = self.known.get(name)
        self.unclear |= name in self.repeated
        if old is None:
            self._add(node)
        elif isinstance(node, ast.ClassDef) and isinstance(old, ast.ClassDef):
            self._merge(node, old)
        else:
            self._replace(node, old)

    def _method(self, node: DefinitionNode) -> str:
        """The one method with this name, where a block gives a method without its class; or empty."""
        if isinstance(node, ast.ClassDef):
            return ""
        fits = [name for name in self.known if name.endswith(f".{node.name}")]
        if (own := f"{self.of_class}.{node.name}") in fits:
            return own
        return fits[0] if len(fits) == 1 and _takes_self(node) else ""

    def _replace(self, node: DefinitionNode, old: DefinitionNode) -> None:
        if isinstance(old, ast.ClassDef):
            self.unclear |= not self._covers(node, old)
        keeps = bool(old.decorator_list) and not node.decorator_list
        first = old.lineno if keeps else first_line(old)
        lines = self._taken(node, indent=old.col_offset)
        self.splices.append(_Splice(first=first - 1, last=_end(old), lines=lines))
        self.replaced.append(node.name)

    def _merge(self, node: ast.ClassDef, old: ast.ClassDef) -> None:
        """Put a class into the place of the old one; members that it leaves out stay."""
        mine = {item.name: item for item in node.body if isinstance(item, DefinitionNode)}
        theirs = {item.name: item for item in old.body if isinstance(item, DefinitionNode)}
        if self._covers(node, old) and (_fields(old) <= _fields(node) | frozenset(self.may_vanish)):
            self._replace(node, old)
            return
        repeated = definition_counts(node) + Counter(
            name for name, count in definition_counts(old).items() if count > 1 and name in mine
        )
        self.unclear |= max(repeated.values(), default=0) > 1 or _says_more(node, old)
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

    def _covers(self, node: DefinitionNode, old: ast.ClassDef) -> bool:
        """True if a definition has all members of a class, each as often, but for those that may vanish."""
        mine = definition_counts(node) if isinstance(node, ast.ClassDef) else Counter()
        return all(
            mine[name] >= count or name.rpartition(".")[2] in self.may_vanish
            for name, count in definition_counts(old).items()
        )

    def _take_docstring(self, node: ast.ClassDef, old: ast.ClassDef) -> None:
        if ast.get_docstring(node) is None or ast.get_docstring(old) is not None:
            return
        said = node.body[0]
        indent = " " * old.body[0].col_offset
        given = self.given_lines[said.lineno - 1 : said.end_lineno]
        lines = textwrap.indent(textwrap.dedent("\n".join(given)), indent).splitlines()
        at = (
            min(
                first_line(item) if isinstance(item, DefinitionNode) else item.lineno
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
        given = self.given_lines[first_line(node) - 1 : node.end_lineno]
        plain = textwrap.dedent("\n".join(given))
        return tuple(textwrap.indent(plain, " " * indent).splitlines())

    def take_imports(self, tree: ast.Module, *, own: Collection[str]) -> None:
        """Add the imports and the constants of the block that the file lacks."""
        there = {ast.dump(node) for node in self.tree.body}
        bound = bound_names(self.before) | set(own)
        lines: list[str] = []
        for node in tree.body:
            segment = "\n".join(self.given_lines[node.lineno - 1 : node.end_lineno])
            names = bound_names(segment)
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                new = [
                    item
                    for item in node.names
                    if (item.asname or item.name).split(".")[0] not in bound
                ]
                if new and getattr(node, "module", "") != "__future__":
                    lines.append(ast.unparse(_with_names(node, new)))
            elif isinstance(node, DefinitionNode) or _is_text(node) or ast.dump(node) in there:
                continue
            elif isinstance(node, (ast.Assign, ast.AnnAssign)) and not names & bound:
                self.splices.append(self._behind_imports(("", segment)))
            else:
                self.unclear = True
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


def _says_more(node: ast.ClassDef, old: ast.ClassDef) -> bool:
    """True if a class has bases, decorators or statements, other than methods, that the old one lacks."""
    heads = [[ast.dump(item) for item in (*each.bases, *each.keywords)] for each in (node, old)]
    marks = [[ast.dump(item) for item in each.decorator_list] for each in (node, old)]
    there = {ast.dump(item) for item in old.body}
    return (
        heads[0] != heads[1]
        or (bool(marks[0]) and marks[0] != marks[1])
        or any(
            not isinstance(item, (DefinitionNode, ast.Pass))
            and not _is_text(item)
            and ast.dump(item) not in there
            for item in node.body
        )
    )


def _is_text(node: ast.stmt) -> bool:
    """True for a docstring, and for an ellipsis that stands for the rest."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


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


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno
