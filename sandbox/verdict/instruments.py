"""Modules that only the tests use, as instruments: what they say is as good as a test's own word.

The code under test, too, is often imported by tests alone. A module is an instrument if nothing but
the test side imports it and a test puts it to the use of one: as a plugin, a base class, a decorator,
a check of another module's result, or the value that such a result must have.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import PurePosixPath

_RUNNERS = frozenset({"pytest", "unittest", "hypothesis"})
_HELPER = re.compile(
    r"(?:.*_)?(?:helpers?|fixtures?|asserts?|assertions?|checks?|checkers?|expected|expectations?"
    r"|testing|testutils?|support|fakes?|mocks?|stubs?|factories|matchers?|cases|golden)(?:_.*)?"
)

_CHECK = re.compile(r"(?:assert|check|expect|verify|ensure|should)", re.IGNORECASE)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Instruments:
    """The imports of a project's Python files, as they are in the user's commit."""

    def __init__(self, contents: Mapping[str, bytes], is_test: Callable[[str], bool]) -> None:
        self._contents = {p: text for p, text in contents.items() if p.endswith(".py")}
        self._is_test = is_test
        self._tree = cache(self._parsed)
        self._imports = cache(self._imported)
        self._modules = {
            name for path in self._contents if not is_test(path) for name in module_names(path)
        }
        self._known: dict[str, bool] = {}

    def __contains__(self, path: str) -> bool:
        """True if a file is an instrument of the tests."""
        if not path.endswith(".py"):
            return False
        if path not in self._known:
            self._known[path] = False  # while it is being asked: two that import each other
            self._known[path] = self._serves(path)
        return self._known[path]

    def _serves(self, path: str) -> bool:
        names = module_names(path)
        users = [file for file in self._contents if file != path and self._uses(file, names)]
        if not users or not all(self._is_test(file) or file in self for file in users):
            return False
        return any(self._is_used_as_one(path, names, file) for file in users)

    def _uses(self, file: str, names: frozenset[str]) -> bool:
        text = self._contents[file]
        stems = {name.rpartition(".")[2].encode() for name in names}
        if not any(stem in text for stem in stems):
            return False
        return any(module in names for _, module in self._imports(file))

    def _is_used_as_one(self, path: str, names: frozenset[str], file: str) -> bool:
        imports = self._imports(file)
        own = {bound for bound, module in imports if module in names}
        subjects = {b for b, module in imports if module in self._modules and b not in own}
        if not subjects:
            return False  # then this is what the tests are about
        if _HELPER.fullmatch(_stem(path)) or self._speaks_to_the_runner(path):
            return True
        tree = self._tree(file)
        checks = self._checking(path)
        return tree is not None and any(
            _as_instrument(node, own, subjects, checks) for node in ast.walk(tree)
        )

    def _checking(self, path: str) -> set[str]:
        """Return a file's functions that assert something, or are named so."""
        tree = self._tree(path) if path in self._contents else None
        functions = [n for n in ast.walk(tree or ast.Module([], [])) if isinstance(n, _FUNCTIONS)]
        return {
            function.name
            for function in functions
            if _CHECK.match(function.name)
            or any(isinstance(n, ast.Assert) for n in ast.walk(function))
        }

    def _speaks_to_the_runner(self, path: str) -> bool:
        if path not in self._contents:
            return False
        modules = {module.partition(".")[0] for _, module in self._imports(path)}
        return not modules.isdisjoint(_RUNNERS)

    def _parsed(self, path: str) -> ast.Module | None:
        try:
            return ast.parse(self._contents[path])
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    def _imported(self, path: str) -> frozenset[tuple[str, str]]:
        """Yield the names that a file's imports bind, with each module that they may come from."""
        tree = self._tree(path)
        found: set[tuple[str, str]] = set()
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Import):
                found.update((alias.asname or alias.name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                found.update(_imported_from(path, node))
        return frozenset(found)


def module_names(path: str) -> frozenset[str]:
    """Return the names by which a file may be imported: from each folder above the file."""
    parts = list(PurePosixPath(path).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return frozenset(".".join(parts[start:]) for start in range(len(parts)))


def _imported_from(path: str, node: ast.ImportFrom) -> Iterator[tuple[str, str]]:
    module = node.module or ""
    if node.level:
        folder = PurePosixPath(path).parts[: -node.level]
        module = ".".join([*folder, *([module] if module else [])])
    for alias in node.names:
        inner = f"{module}.{alias.name}" if module else alias.name
        yield alias.asname or alias.name, module
        yield alias.asname or alias.name, inner


def _as_instrument(node: ast.AST, own: set[str], subjects: set[str], checks: set[str]) -> bool:
    match node:
        case ast.ClassDef(name=name, bases=bases):
            return name.startswith("Test") and any(_mentions(base, own) for base in bases)
        case ast.FunctionDef(name=name, decorator_list=decorators):
            return name.startswith("test") and any(_decorates(d, own) for d in decorators)
        case ast.Expr(value=ast.Call(func=func, args=args)):
            checking = any(_mentions(func, {name}) for name in own & checks)
            return checking and any(_mentions(arg, subjects) for arg in args)
        case ast.Compare(left=left, comparators=[right]):
            return _wants(left, right, own, subjects) or (
                not _calls(left, own) and _wants(right, left, own, subjects)
            )
        case ast.Call(func=ast.Attribute(attr=attr), args=[got, wanted, *_]):
            return attr.startswith("assert") and _wants(got, wanted, own, subjects)
        case _:
            return False


def _wants(got: ast.expr, wanted: ast.expr, own: set[str], subjects: set[str]) -> bool:
    """True if what another module gave is held against what this one says."""
    gave = _calls(got, subjects) and not _mentions(got, own)
    return gave and _mentions(wanted, own) and not _mentions(wanted, subjects)


def _calls(node: ast.AST, names: set[str]) -> bool:
    calls = (n.func for n in ast.walk(node) if isinstance(n, ast.Call))
    return any(_mentions(func, names) for func in calls)


def _decorates(decorator: ast.expr, own: set[str]) -> bool:
    """True if it is one of these names, or is given one of them as the whole of its cases."""
    match decorator:
        case ast.Call(func=func, args=args):
            return _mentions(func, own) or any(
                isinstance(arg, ast.Name | ast.Attribute | ast.Call) and _mentions(arg, own)
                for arg in args
            )
        case _:
            return _mentions(decorator, own)


def _mentions(node: ast.AST, names: set[str]) -> bool:
    return any(
        ast.unparse(n) in names for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)
    )


def _stem(path: str) -> str:
    pure = PurePosixPath(path)
    return pure.parent.name if pure.stem == "__init__" else pure.stem
