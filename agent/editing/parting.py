"""Parts new tests from the code of a file in which a reply put both."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from agent.editing.python_parts import without_definitions
from agent.editing.python_source import (
    FunctionNode,
    bound_names,
    definitions,
    parse_python,
    source_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartedTests:
    """A file without its new tests, and the tests."""

    code: str
    tests: Mapping[str, str]
    """The text of each test function, and of each class of tests, by name."""
    source: str

    def block(self, old: str, path: str, *, about: Collection[str]) -> tuple[str, list[str]]:
        """The tests with the imports that they need in a file of tests, and the names of those left out.

        `path` is that of the code. A test whose name `old` has already is one more test if it uses a name
        that the request is `about`; else it is taken for a copy of the old one, and left out.
        """
        known, kept, left = definitions(old), dict[str, str](), list[str]()
        for name, text in self.tests.items():
            if name not in known:
                kept[name] = text
            elif _loaded(text) & set(about):
                new = next(f"{name}_{n}" for n in range(2, 99) if f"{name}_{n}" not in known)
                kept[new] = re.sub(
                    rf"(?m)^(async def|def|class) {name}\b", rf"\1 {new}", text, count=1
                )
            else:
                left.append(name)
        if not kept:
            return "", left
        used = set[str]().union(*map(_loaded, kept.values())) - bound_names(old)
        lines = [*_imports(self.source, used), *_own_import(self.code, used, old, path)]
        return "\n".join([*lines, "", "", "\n\n\n".join(kept.values())]).lstrip("\n") + "\n", left


def part_tests(source: str, before: str, *, without: Collection[str]) -> PartedTests | None:
    """The new top-level tests of a file of code, and the file without them; None where that is not clear.

    Functions named in `without` are no tests. With a fixture beside them, or where the code uses one, all of
    them stay.
    """
    tree, known = parse_python(source), definitions(before)
    if tree is None:
        return None
    new = [node for node in tree.body if getattr(node, "name", "") not in known]
    tests = {
        node.name: source_of(source, node)
        for node in new
        if _is_test(node) and node.name not in without
    }
    code = without_definitions(source, list(tests))
    if not tests or any(map(_belongs_to_tests, new)) or _loaded(code) & set(tests):
        return None
    used = set[str]().union(*map(_loaded, tests.values()))
    return PartedTests(code=_without_idle_imports(code, before, used), tests=tests, source=source)


def _is_test(node: ast.stmt) -> TypeGuard[FunctionNode | ast.ClassDef]:
    if isinstance(node, FunctionNode):
        return node.name.startswith("test_") and _asserts(node)
    if not isinstance(node, ast.ClassDef):
        return False
    is_named = node.name.startswith("Test") or any(
        ast.unparse(base).endswith("TestCase") for base in node.bases
    )
    tests = (each for each in node.body if isinstance(each, FunctionNode))
    return is_named and any(each.name.startswith("test") and _asserts(each) for each in tests)


def _asserts(node: FunctionNode) -> bool:
    """True if a function claims something, as tests do, and is marked as nothing else."""
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    calls = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    claims = any(isinstance(each, ast.Assert) for each in ast.walk(node)) or any(
        ast.unparse(call).startswith(("self.assert", "self.fail", "pytest.")) for call in calls
    )
    return claims and all(
        mark.startswith(("pytest.", "unittest.", "mock.", "patch")) for mark in marks
    )


def _belongs_to_tests(node: ast.stmt) -> bool:
    if isinstance(node, ast.ClassDef):
        return node.name.startswith("Test") and not _is_test(node)
    marks = node.decorator_list if isinstance(node, FunctionNode) else []
    return any("fixture" in ast.unparse(mark) for mark in marks)


def _loaded(text: str) -> set[str]:
    """The names that some code uses."""
    tree = parse_python(text)
    nodes = ast.walk(tree) if tree is not None else ()
    return {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _imports(source: str, used: Collection[str]) -> Iterator[str]:
    """The import statements of a file, with the names alone that are used."""
    tree = parse_python(source)
    for node in tree.body if tree is not None else ():
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a for a in node.names if (a.asname or a.name).partition(".")[0] in used]
            if names and isinstance(node, ast.Import):
                yield ast.unparse(ast.Import(names=names))
            elif names and isinstance(node, ast.ImportFrom) and node.module != "__future__":
                yield ast.unparse(ast.ImportFrom(module=node.module, names=names, level=node.level))


def _own_import(code: str, used: Collection[str], old: str, path: str) -> Iterator[str]:
    """The import of what the code itself defines, as the old tests write it."""
    tree = parse_python(code)
    own = bound_names(code) - {
        (a.asname or a.name).partition(".")[0]
        for node in (tree.body if tree is not None else ())
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for a in node.names
    }
    if not (names := sorted(own & set(used))):
        return
    tests = parse_python(old)
    modules = [
        node.module
        for node in (tests.body if tests is not None else ())
        if isinstance(node, ast.ImportFrom) and node.module and {a.name for a in node.names} & own
    ]
    dotted = (
        path.removesuffix(".py").removeprefix("src/").removesuffix("/__init__").replace("/", ".")
    )
    yield f"from {modules[0] if modules else dotted} import {', '.join(names)}"


def _without_idle_imports(code: str, before: str, of_tests: Collection[str]) -> str:
    """The code without imports that it did not have before and that only its tests used."""
    tree = parse_python(code)
    kept, known = _loaded(code), bound_names(before)
    lines: list[str | None] = [*code.split("\n")]
    for node in tree.body if tree is not None else ():
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        names = {(a.asname or a.name).partition(".")[0] for a in node.names}
        last = node.end_lineno or node.lineno
        is_alone = ";" not in "".join(code.split("\n")[node.lineno - 1 : last])
        if is_alone and names <= set(of_tests) and not names & (kept | known):
            lines[node.lineno - 1 : last] = [None] * (last - node.lineno + 1)
    return "\n".join(line for line in lines if line is not None)
