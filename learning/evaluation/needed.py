"""Finds the part of a module that one of its functions needs.

Names are resolved by Python's own scoping: a parameter with the name of a global is no use of it.
"""

from __future__ import annotations

import ast
import symtable
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

_MUTATORS = frozenset(
    {"append", "appendleft", "add", "update", "extend", "extendleft", "insert", "setdefault", "pop"}
    | {"popleft", "popitem", "remove", "discard", "clear", "sort", "reverse", "register", "write"}
)
"""Methods that change their object."""
_MUTATED_BY = frozenset({"heappush", "heapify", "insort", "insort_left", "insort_right", "shuffle"})
"""Functions of the standard library that change their first argument."""
_SETTERS = frozenset(
    {"setrecursionlimit", "set_int_max_str_digits", "seed", "filterwarnings", "simplefilter"}
)
"""Functions that set up a library: without them the same code computes something else."""


@dataclass(frozen=True, slots=True)
class Part:
    """One statement at the top of a module."""

    node: ast.stmt
    binds: frozenset[str]
    """The names that the statement binds."""
    uses: frozenset[str]
    """The names of the module that it reads, in functions inside of it as well."""
    changes: frozenset[str]
    """The names whose objects it changes when it runs or, for a function, when it is called."""
    calls: frozenset[str]
    """The names that it calls when it runs."""

    @property
    def is_import(self) -> bool:
        return isinstance(self.node, ast.Import | ast.ImportFrom)

    @property
    def is_definition(self) -> bool:
        return isinstance(self.node, _DEFINITIONS)

    def is_example(self, entry_point: str) -> bool:
        """True if it takes the function's name for a result: `total = total([1, 2])`."""
        named = not self.is_definition and entry_point in self.binds
        return named and entry_point in self.calls


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def parts_of(tree: ast.Module, source: str) -> list[Part]:
    """The statements of a module with their names; what cannot be compiled is left out."""
    lines = source.split("\n")
    parts = []
    for node in tree.body:
        scopes = _scopes("\n".join(lines[first_line(node) - 1 : node.end_lineno]))
        if scopes is not None:
            binds, uses = scopes
            runs = list(_running(node))
            inside = ast.walk(node) if isinstance(node, _DEFINITIONS) else runs
            part = Part(
                node=node,
                binds=frozenset(binds),
                uses=frozenset(uses | _named(node)),
                changes=frozenset(chain.from_iterable(map(_changed, inside))),
                calls=frozenset(_called(runs)),
            )
            parts.append(part)
    return parts


def needed_parts(parts: Sequence[Part], entry_point: str) -> list[Part]:
    """Imports, settings, and what the entry point reaches by name, in the order it was written."""
    by_name = _by(parts, lambda part: part.binds)
    by_change = _by(_acting(parts, entry_point), lambda part: part.changes)
    kept = {part.node for part in parts if part.is_import or _sets_up(part.node)}
    needed, waiting = {entry_point}, [entry_point]
    waiting += [name for part in parts if part.node in kept for name in part.uses]
    needed.update(waiting)
    while waiting:
        name = waiting.pop()
        for part in [*by_name.get(name, ()), *by_change.get(name, ())]:
            if part.node in kept or _is_main(part.node) or part.is_example(entry_point):
                continue
            kept.add(part.node)
            waiting += part.uses - needed
            needed |= part.uses
    return [part for part in parts if part.node in kept]


def missing_names(parts: Iterable[Part]) -> frozenset[str]:
    """The names that are used and bound nowhere, not even as built-ins."""
    parts = list(parts)
    bound = frozenset[str]().union(*(part.binds for part in parts))
    return frozenset[str]().union(*(part.uses for part in parts)) - bound


def text_of(parts: Iterable[Part], source: str) -> str:
    """The lines of the parts; statements that share a line come once."""
    lines = source.split("\n")
    taken: list[str] = []
    last = 0
    for part in parts:
        begin, end = first_line(part.node), part.node.end_lineno or 0
        taken += lines[max(begin, last + 1) - 1 : end]
        last = max(last, end)
    return "\n".join(taken) + "\n"


def first_line(node: ast.stmt) -> int:
    """The line on which a statement begins, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(item.lineno for item in decorators)])


def is_stub(node: ast.stmt) -> bool:
    """True if a function has a head and a docstring, and does nothing."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return all(_does_nothing(item) for item in node.body)


def _does_nothing(node: ast.stmt) -> bool:
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Raise(exc=ast.Name(id=name) | ast.Call(func=ast.Name(id=name))):
            return name == "NotImplementedError"
        case _:
            return False


def _scopes(source: str) -> tuple[set[str], set[str]] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            top = symtable.symtable(source, "reply", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return None
    binds = {
        item.get_name()
        for item in top.get_symbols()
        if item.is_assigned() or item.is_imported() or item.is_namespace()
    }
    uses = {item.get_name() for item in top.get_symbols() if item.is_referenced()}
    for table in _inner(top):
        for item in table.get_symbols():
            if item.is_global():
                uses.add(item.get_name())
            if item.is_declared_global() and item.is_assigned():
                binds.add(item.get_name())
    return binds, uses


def _inner(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _inner(child)


def _named(node: ast.AST) -> set[str]:
    """Names that are looked up as texts: `globals()["helper"]`."""
    found = set()
    for item in ast.walk(node):
        match item:
            case ast.Subscript(
                value=ast.Call(func=ast.Name(id="globals" | "vars")),
                slice=ast.Constant(value=str(name)),
            ):
                found.add(name)
    return found


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the statement runs, without the bodies of functions."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _FUNCTIONS):
            yield from _running(child)


def _changed(node: ast.AST) -> Iterator[str]:
    match node:
        case (
            ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del())
        ):
            yield from _base(node.value)
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in _MUTATORS:
            yield from _base(value)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]):
            if name in _MUTATED_BY:
                yield from _base(first)
        case ast.Global(names=names):
            yield from names


def _base(node: ast.expr) -> Iterator[str]:
    """The name at which a chain of attributes, indices and calls begins."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Name):
        yield node.id


def _called(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Call):
            yield from _base(node.func)


def _acting(parts: Sequence[Part], entry_point: str) -> list[Part]:
    """The statements that change objects when they run, also through a function that they call.

    A call of the entry point is an example or a test, whatever else it changes.
    """
    inner = {name: part for part in parts if part.is_definition for name in part.binds}
    acting = []
    for part in parts:
        if part.is_definition or part.is_import or isinstance(part.node, ast.Assert):
            continue
        called = [inner[name] for name in part.calls if name in inner]
        if entry_point in part.uses or any(entry_point in each.uses for each in called):
            continue
        changes = part.changes.union(*(each.changes for each in called))
        acting.append(Part(part.node, part.binds, part.uses, changes, part.calls))
    return acting


def _by(parts: Iterable[Part], names: Callable[[Part], Iterable[str]]) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = {}
    for part in parts:
        for name in names(part):
            found.setdefault(name, []).append(part)
    return found


def _sets_up(node: ast.stmt) -> bool:
    """True if a statement sets up a library: `sys.setrecursionlimit(...)`, `getcontext().prec = 9`."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name))):
            return name in _SETTERS
        case ast.Assign(targets=[ast.Attribute(value=ast.Call())]):
            return True
        case _:
            return False


def _is_main(node: ast.stmt) -> bool:
    """True if a statement is what runs only as a program: `if __name__ == "__main__":`."""
    return isinstance(node, ast.If) and any(
        isinstance(item, ast.Name) and item.id == "__name__" for item in ast.walk(node.test)
    )
