"""Plans the rename of a field of a class, with every use of it: rope does not follow those of data classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from agent.editing.byte_places import BytePlaces
from agent.editing.python_source import definitions, parse_python
from agent.editing.splicing import TextSplice, spliced
from agent.fixing.sources import Sources
from agent.refactoring.asked import AskedRefactoring
from agent.refactoring.planned import BUILT_IN, Refactored, RefactoringError, still_there

_REPLACES = ("replace", "_replace", "evolve", "model_copy")
"""Functions that take fields by their names, of dataclasses, namedtuples, attrs and pydantic."""


def has_field(name: str, sources: Sources) -> bool:
    """True if a name, maybe `Class.field`, is that of a field and of nothing else that the project defines."""
    holder, _, field = name.rpartition(".")
    holders = [each for _, each in _holders(field, sources)]
    if not holders or _is_defined(field, sources):
        return False
    return holder in holders if holder else not _is_bound(field, sources)


def renamed_field(asked: AskedRefactoring, sources: Sources) -> Refactored:
    """The files with a field under its new name.

    Raises:
        RefactoringError: If other things may have the name, or the class has the new one already.
    """
    old, new = asked.old.rpartition(".")[2], asked.new.rpartition(".")[2]
    holders = _holders(old, sources)
    if len(holders) != 1:
        names = ", ".join(f"{path} ({holder})" for path, holder in holders[:4])
        raise RefactoringError(
            f"{old} is a field of several classes, which share its uses: {names}"
        )
    path, holder = holders[0]
    if any(at == path and each == holder for at, each in _holders(new, sources)):
        raise RefactoringError(f"{holder} has a field {new} already")
    if f"{holder}.{new}" in definitions(sources.text(path) or ""):
        raise RefactoringError(f"{holder} has a method {new} already")
    if old in BUILT_IN:
        raise RefactoringError(f"objects of other kinds have a {old}, too")
    has_own = f"{holder}.__init__" in definitions(sources.text(path) or "")
    texts: dict[str, str] = {}
    for file in _python(sources):
        text = sources.text(file) or ""
        tree = parse_python(text) if old in text or holder in text else None
        if tree is not None:
            _check_clear(tree, old, holder, f"in {file}")
            place = BytePlaces(text)
            starts = set(_uses(tree, old, holder, place, keywords=not has_own))
            size = len(old.encode())
            splices = [TextSplice(start=s, end=s + size, text=new.encode()) for s in starts]
            texts[file] = spliced(place.data, splices)
    changed = {file: text for file, text in texts.items() if text != sources.text(file)}
    return Refactored(
        texts=changed,
        before={file: sources.text(file) or "" for file in changed},
        left=still_there(old, sources, changed),
        names=frozenset({old}),
    )


def _check_clear(tree: ast.Module, name: str, holder: str, where: str) -> None:
    """Raises RefactoringError where a file has a use that may mean something else, or that is not followed."""
    outside = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=attr) if attr == name and _root(node) in outside:
                raise RefactoringError(f"{name} may be of a module {where}:{node.lineno}")
            case ast.ClassDef(bases=bases) if any(_last(base) == holder for base in bases):
                raise RefactoringError(f"{node.name} is a subclass of {holder} {where}")
            case ast.alias(name=own, asname=str()) if own.rpartition(".")[2] == holder:
                raise RefactoringError(f"{holder} has another name {where}")
            case ast.Assign(value=ast.Name(id=own) | ast.Attribute(attr=own)) if own == holder:
                raise RefactoringError(f"{holder} has another name {where}:{node.lineno}")
            case ast.MatchClass(kwd_attrs=names) if name in names:
                raise RefactoringError(f"a pattern names {name} {where}")
            case _:
                continue


def _root(node: ast.expr) -> str:
    """The name that a chain of attributes, calls and subscripts begins with."""
    while True:
        match node:
            case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Call(func=inner):
                node = inner
            case ast.Name(id=name):
                return name
            case _:
                return ""


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _uses(
    tree: ast.Module, name: str, holder: str, place: BytePlaces, *, keywords: bool
) -> Iterator[int]:
    """The places where the name of a field begins, in bytes; `keywords` if calls of the class take it by its name."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=attr) if attr == name:
                yield place.of(node)[1] - len(name.encode())
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), keywords=given):
                if keywords and called in (holder, *_REPLACES):
                    yield from (
                        place.offset(k.lineno, k.col_offset) for k in given if k.arg == name
                    )
            case ast.ClassDef(name=own) if own == holder:
                yield from _in_body(node, name, place)
            case _:
                continue


def _in_body(holder: ast.ClassDef, name: str, place: BytePlaces) -> Iterator[int]:
    for statement in holder.body:
        if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id == name:
                yield place.of(node)[0]
            elif isinstance(node, ast.Constant) and node.value == name and _is_slots(statement):
                yield place.of(node)[0] + 1


def _is_slots(statement: ast.stmt) -> bool:
    names = ("__slots__", "__match_args__")
    targets = statement.targets if isinstance(statement, ast.Assign) else ()
    return any(isinstance(each, ast.Name) and each.id in names for each in targets)


def _holders(field: str, sources: Sources) -> list[tuple[str, str]]:
    """The classes with a field of this name, each with its file."""
    found: list[tuple[str, str]] = []
    for path in _python(sources):
        text = sources.text(path) or ""
        tree = parse_python(text) if field in text else None
        classes = (
            (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)) if tree else ()
        )
        found += [(path, node.name) for node in classes if field in fields_of(node)]
    return found


def fields_of(holder: ast.ClassDef) -> frozenset[str]:
    """The names that a class gives values to in its body, and to `self` in its methods."""
    found: set[str] = set()
    for statement in holder.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            nodes = list(ast.walk(statement))
            found |= {
                n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            found |= {
                node.attr
                for node in ast.walk(statement)
                if isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
            }
    return frozenset(found)


def _is_defined(name: str, sources: Sources) -> bool:
    return any(
        name == each.rpartition(".")[2]
        for path in _python(sources)
        for each in definitions(sources.text(path) or "")
    )


def _is_bound(name: str, sources: Sources) -> bool:
    """True if a parameter, a variable or a value at the top of a file has the name, outside of class bodies."""
    for path in _python(sources):
        text = sources.text(path) or ""
        tree = parse_python(text) if name in text else None
        if tree is None:
            continue
        fields = {
            id(node)
            for holder in ast.walk(tree)
            if isinstance(holder, ast.ClassDef)
            for statement in holder.body
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            for node in ast.walk(statement)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.arg) and node.arg == name:
                return True
            stores = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            if stores and getattr(node, "id", "") == name and id(node) not in fields:
                return True
    return False


def _python(sources: Sources) -> list[str]:
    return sorted(path for path in sources.files if path.endswith(".py"))
