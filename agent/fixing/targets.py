"""Finds the file to repair for a failing test, and the project's facts that bear on the failure.

An exception inside the project points at its deepest frame there. A missing name points at the
module that should have it. A wrong result points at the module whose function the test calls. The output
of a test command points at the files that it names.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from agent.editing.python_source import (
    FunctionNode,
    definitions,
    find_function,
    imports,
    parse_python,
    signatures,
    source_of,
)
from agent.editing.source_files import is_test_path
from agent.fixing.command_targets import files_of_command, is_of_command
from agent.fixing.sources import Sources
from sandbox.verdict.report import TestResult

_MODULE_LACKS = re.compile(
    r"cannot import name '(?P<a>\w+)' from (?:partially initialized module )?'(?P<b>[\w.]+)'"
    r"|module '(?P<c>[\w.]+)' has no attribute '(?P<d>\w+)'"
)
_CLASS_LACKS = re.compile(r"(?:'(\w+)' object|type object '(\w+)') has no attribute '(\w+)'")
_NO_MODULE = re.compile(r"No module named '([\w.]+)'")
_UNDEFINED = re.compile(r"name '(\w+)' is not defined")
_BAD_CALL = re.compile(r"(?:\w+\.)*(\w+)\(\) (?:takes|missing|got)")
_NAMES_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingTest:
    """The place of a failing test."""

    path: str
    """Empty if it is in no file of the project."""
    name: str
    """Name of the test's function; empty when the file could not be loaded."""
    source: str
    """The part of the test file that is worth showing."""


def locate_test(result: TestResult, sources: Sources) -> FailingTest:
    """Find the source of a failing test from its id, else from its outermost frame."""
    path, name = _test_path(result, sources)
    text = sources.text(path) or "" if path else ""
    node = find_function(text, name) if name else None
    if node is None and (missing := missing_name(result.message)):
        node = _first_user_of(text, missing)
    return FailingTest(path=path, name=name, source=source_of(text, node) if node else "")


def choose_targets(
    result: TestResult, sources: Sources, *, allow_tests: bool = False
) -> tuple[str, ...]:
    """Files to repair, the most likely first; empty if the failure points at none.

    The first one may be a module that does not exist yet. With `allow_tests` the test's own file
    comes last.
    """
    if missing := _NO_MODULE.search(result.message):
        own = _missing_module(missing[1], sources)
        return own or tuple(_frames_inside(result, sources))
    test = locate_test(result, sources)
    candidates = [
        *_lacking_modules(result.message, sources),
        *_frames_inside(result, sources),
        *_lacking_classes(result.message, test, sources),
        *_called_modules(result, test, sources),
    ]
    if not candidates and is_of_command(result):
        candidates += files_of_command(result, sources)
    chosen = [path for path in dict.fromkeys(candidates) if not is_test_path(path)]
    return (*chosen, test.path) if allow_tests and test.path else tuple(chosen)


def missing_name(message: str) -> str:
    """The name that an error message says is missing; empty if it says none."""
    if match := _MODULE_LACKS.search(message):
        return match["a"] or match["d"]
    if match := _CLASS_LACKS.search(message):
        return match[3]
    match = _UNDEFINED.search(message)
    return match[1] if match else ""


def project_facts(result: TestResult, path: str, sources: Sources) -> tuple[str, ...]:
    """The project's own facts about a missing name or a wrong call; true, not guessed."""
    message = result.message
    facts: list[str] = []
    if _lacks_foreign_class(message, path, sources):
        return ()
    if (name := missing_name(message)) and (defined := sources.names(path)):
        near = difflib.get_close_matches(name, defined, n=_NAMES_SHOWN, cutoff=0.6)
        shown = list(dict.fromkeys([*near, *defined]))[:_NAMES_SHOWN]
        facts.append(f"{path} defines: {', '.join(shown)}. It does not define {name}.")
    if match := _BAD_CALL.search(message):
        called = re.compile(rf"(?:\w+\.)*(?:{match[1]}|{match[1]}\.__init__)\(")
        lines = signatures(sources.text(path) or "")
        facts += [f"In {path}: {line}" for line in lines if called.match(line)]
    return tuple(facts)


def _lacks_foreign_class(message: str, path: str, sources: Sources) -> bool:
    """True if the class that lacks something is not this file's: it is a library's, as a rule."""
    match = _CLASS_LACKS.search(message)
    return match is not None and (match[1] or match[2]) not in definitions(sources.text(path) or "")


def _test_path(result: TestResult, sources: Sources) -> tuple[str, str]:
    path, separator, rest = result.id.partition("::")
    if separator or path in sources.files:
        name = rest.partition("[")[0].rpartition("::")[2]
        return (path, name) if path in sources.files else ("", name)
    parts = result.id.split(".")
    for end in range(len(parts), 0, -1):
        dotted = parts[:end] if "_FailedTest" not in parts else parts[-1:]
        if found := sources.module(".".join(dotted)):
            return found, "" if end == len(parts) else parts[-1]
    frame = next((item for item in result.frames if is_test_path(item.file)), None)
    return (frame.file, frame.function) if frame else ("", "")


def _first_user_of(text: str, name: str) -> FunctionNode | None:
    for qualified, node in definitions(text).items():
        is_test = qualified.rpartition(".")[2].startswith("test")
        if is_test and not isinstance(node, ast.ClassDef) and name in _words(node):
            return node
    return None


def _words(node: ast.AST) -> frozenset[str]:
    """Every name and attribute that is used below a node."""
    names = {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}
    return frozenset(names | {i.attr for i in ast.walk(node) if isinstance(i, ast.Attribute)})


def _missing_module(dotted: str, sources: Sources) -> tuple[str, ...]:
    """The file that a missing module should be in, if its package is the project's own."""
    parent, _, name = dotted.rpartition(".")
    package = sources.module(parent) if parent else None
    if package is None or PurePosixPath(package).name != "__init__.py":
        return ()
    return (str(PurePosixPath(package).with_name(f"{name}.py")),)


def _lacking_modules(message: str, sources: Sources) -> Iterator[str]:
    if (match := _MODULE_LACKS.search(message)) and (
        path := sources.module(match["b"] or match["c"])
    ):
        yield sources.defining_file(path, match["a"] or match["d"])


def _frames_inside(result: TestResult, sources: Sources) -> Iterator[str]:
    """The deepest frame of the project that is not in a test."""
    for frame in reversed(result.frames):
        if frame.file in sources.files and not is_test_path(frame.file):
            yield frame.file
            return


def _lacking_classes(message: str, test: FailingTest, sources: Sources) -> Iterator[str]:
    if match := _CLASS_LACKS.search(message):
        name = match[1] or match[2]
        for path in _imported_files(test, sources).values():
            if name in definitions(sources.text(path) or ""):
                yield path


def _imported_files(test: FailingTest, sources: Sources) -> dict[str, str]:
    """The project's files that a test file imports, by the name that it uses for them."""
    found: dict[str, str] = {}
    for item in imports(sources.text(test.path) or ""):
        path = sources.imported_file(item, importer=test.path)
        if path is not None and not is_test_path(path):
            found[item.alias] = path
    return found


def _called_modules(result: TestResult, test: FailingTest, sources: Sources) -> list[str]:
    """Imported files by how strongly the test points at them."""
    by_alias = _imported_files(test, sources)
    text = sources.text(test.path) or ""
    node = find_function(text, test.name) if test.name else None
    in_test = _words(node) | _fixture_words(text, node) if node else frozenset[str]()
    in_line = _words_of_line(text, _line_in(result, test.path))
    scores: dict[str, int] = {}
    for alias, path in by_alias.items():
        names = {alias.partition(".")[0], *_plain_names(sources.text(path) or "")}
        named = any(name in test.name for name in names if len(name) > 2)  # noqa: PLR2004
        same_stem = PurePosixPath(path).stem in PurePosixPath(test.path).stem
        score = 2 * bool(names & in_line) + bool(names & in_test) + 2 * same_stem + 3 * named
        scores[path] = max(score, scores.get(path, 0))
    return sorted(scores, key=lambda path: -scores[path])


def _plain_names(text: str) -> frozenset[str]:
    return frozenset(name.rpartition(".")[2] for name in definitions(text))


def _fixture_words(text: str, test: FunctionNode) -> frozenset[str]:
    """The words in the test file's functions that are named like the test's parameters."""
    parameters = [item.arg for item in test.args.args]
    nodes = (find_function(text, name) for name in parameters)
    return frozenset[str]().union(*(_words(node) for node in nodes if node is not None))


def _line_in(result: TestResult, path: str) -> int:
    return next((f.line for f in reversed(result.frames) if f.file == path), 0)


def _words_of_line(text: str, line: int) -> frozenset[str]:
    """The names used by the smallest statement that covers a line."""
    tree = parse_python(text)
    if tree is None or not line:
        return frozenset()
    covering = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    smallest = min(covering, key=lambda n: (n.end_lineno or 0) - n.lineno, default=None)
    return _words(smallest) if smallest else frozenset()
