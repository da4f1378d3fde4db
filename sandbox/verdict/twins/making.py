"""Makes twins of the deciding tests: same files, names and lines, other expectations."""

from __future__ import annotations

import ast
import random
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sandbox.box.contract import SourceFile
from sandbox.verdict.pristine import content_of, is_pinned
from sandbox.verdict.report import TestResult
from sandbox.verdict.twins.places import Finder, TwinChange, TwinPlace
from sandbox.verdict.twins.values import helper

_WORDS = ("as_given", "shifted", "renewed", "moved_on", "varied", "of_kind", "next_to", "revised")
_DEPTH = 3
"""Depth of calls from a test within which asserting functions are looked for."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Files and ids of the twin runs."""

    rounds: tuple[tuple[SourceFile, ...], ...] = ()
    """All files of the project, once for each kind of change."""
    ids: frozenset[str] = frozenset()
    """Tests whose twin must fail."""
    unmade: frozenset[str] = frozenset()
    """Tests in which nothing could be changed."""


@dataclass(frozen=True, slots=True)
class _FoundPlace:
    file: str
    place: TwinPlace


class _Sources:
    """The test side's Python files, parsed when first needed."""

    def __init__(self, files: Sequence[SourceFile], changed: Collection[str]) -> None:
        self._files = {file.path: file for file in files}
        self._changed = changed
        self._trees: dict[str, ast.Module | None] = {}
        self.helper = f"{secrets.choice(_WORDS)}_{secrets.token_hex(2)}"

    def lines(self, path: str) -> list[bytes]:
        return content_of(self._files[path]).splitlines(keepends=True)

    def tree(self, path: str) -> ast.Module | None:
        if path not in self._trees:
            self._trees[path] = _parsed(self._files[path]) if path in self._files else None
        return self._trees[path]

    def others(self, path: str) -> Iterator[str]:
        """Yield files whose functions may assert for a test; none that an edit changed."""
        text = content_of(self._files[path])
        for name in self._files:
            if name == path or not name.endswith(".py") or name in self._changed:
                continue
            if is_pinned(name) or PurePosixPath(name).stem.encode() in text:
                yield name

    def of(self, test_id: str) -> tuple[str, list[str]]:
        """Return the file of a test, and the names of its classes and function."""
        if "::" in test_id:
            path, *inside = test_id.partition("[")[0].split("::")
            return path, inside
        for path in self._files:
            module = path.removesuffix(".py").replace("/", ".")
            while path.endswith(".py") and is_pinned(path) and module:
                if test_id.startswith(f"{module}."):
                    return path, test_id.removeprefix(f"{module}.").split(".")
                module = module.partition(".")[2]
        return "", []


def make_twins(
    files: Sequence[SourceFile],
    tests: Mapping[str, TestResult],
    *,
    changed: Collection[str] = (),
    draw: random.Random | None = None,
) -> Twins:
    """Make the twins of these tests, each with how it failed before.

    A test is changed where it was red or behind that: what stands before held all along. `changed`
    are files that differ from the user's commit; in them nothing is looked for.
    """
    draw = draw or random.SystemRandom()
    sources = _Sources(files, changed)
    functions: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for test_id in tests:
        path, names = sources.of(test_id)
        functions[path, *names].append(test_id)
    wanted: list[dict[str, list[TwinChange]]] = [defaultdict(list), defaultdict(list)]
    unmade: set[str] = set()
    for (path, *names), ids in functions.items():
        found = [] if path in changed else _places(sources, path, names, draw)
        if not found:
            unmade.update(ids)
        for number, changes in enumerate(wanted):
            for item in _drawn(found, path, tests[ids[0]], draw):
                alike = item.place.nothing if number else ()
                changes[item.file].append(draw.choice(alike or item.place.others))
    rounds = tuple(tuple(_changed(files, sources, changes)) for changes in wanted if changes)
    return Twins(rounds=rounds, ids=frozenset(tests) - unmade, unmade=frozenset(unmade))


def _drawn(
    found: Sequence[_FoundPlace], path: str, red: TestResult, draw: random.Random
) -> Sequence[_FoundPlace]:
    """Draw one place that is surely reached; return all places where there is none."""
    sure = [item for item in found if item.place.sure]
    if not sure:
        return found
    lines = [frame.line for frame in red.frames if frame.file == path]
    last = max(lines, default=red.line if red.file == path else 0)
    behind = [item for item in sure if item.place.others[0].stop[0] >= last]
    return [draw.choice(behind or sure)]


def _places(
    sources: _Sources, path: str, names: Sequence[str], draw: random.Random
) -> list[_FoundPlace]:
    tree = sources.tree(path)
    test = _test(sources, path, tree, names) if tree is not None and names else None
    if test is None:
        return []
    file, function = test
    found = [
        _FoundPlace(file, place)
        for place in Finder(sources.lines(file), sources.helper, draw).read(function.body)
    ]
    if any(item.place.sure for item in found):
        return found
    return found + list(_of_helpers(sources, file, function, draw))


def _test(
    sources: _Sources, path: str, tree: ast.Module, names: Sequence[str]
) -> tuple[str, _Function] | None:
    """Find the function of a test, also where its class inherits the function."""
    body: Sequence[ast.stmt] = tree.body
    owner: ast.ClassDef | None = None
    for name in names[:-1]:
        owner = next((n for n in body if isinstance(n, ast.ClassDef) and n.name == name), None)
        if owner is None:
            return None
        body = owner.body
    if (function := _function(body, names[-1])) is not None:
        return path, function
    bases = {_plain_name(base) for base in owner.bases} if owner else set()
    for file in (path, *sources.others(path)):
        for item in _statements(sources.tree(file)):
            if not isinstance(item, ast.ClassDef) or item.name not in bases:
                continue
            if (function := _function(item.body, names[-1])) is not None:
                return file, function
    return None


def _of_helpers(
    sources: _Sources, path: str, function: _Function, draw: random.Random
) -> Iterator[_FoundPlace]:
    """Yield the places in test-side functions that a test calls."""
    open_, known = _called(function), set[str]()
    for _ in range(_DEPTH):
        fresh = open_ - known
        known |= fresh
        open_ = set()
        for file in (path, *sources.others(path)):
            for item in _functions(sources.tree(file)):
                if item.name in fresh:
                    open_ |= _called(item)
                    finder = Finder(sources.lines(file), sources.helper, draw)
                    yield from (_FoundPlace(file, p) for p in finder.read(item.body, sure=False))


def _called(function: _Function) -> set[str]:
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return {*map(_plain_name, calls), *(argument.arg for argument in function.args.args)}


def _plain_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _function(body: Sequence[ast.stmt], name: str) -> _Function | None:
    return next((n for n in body if isinstance(n, _Function) and n.name == name), None)


def _functions(tree: ast.Module | None) -> Iterator[_Function]:
    for item in _statements(tree):
        if isinstance(item, _Function):
            yield item
        elif isinstance(item, ast.ClassDef):
            yield from (inner for inner in item.body if isinstance(inner, _Function))


def _statements(tree: ast.Module | None) -> Sequence[ast.stmt]:
    return tree.body if tree is not None else ()


def _parsed(file: SourceFile) -> ast.Module | None:
    try:
        return ast.parse(content_of(file).decode())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _changed(
    files: Sequence[SourceFile], sources: _Sources, changes: Mapping[str, Sequence[TwinChange]]
) -> Iterator[SourceFile]:
    for file in files:
        if file.path not in changes:
            yield file
            continue
        text = _spliced(sources.lines(file.path), changes[file.path])
        if sources.helper.encode() in text:
            text += helper(sources.helper).encode()
        yield SourceFile(path=file.path, content=text, executable=file.executable)


def _spliced(lines: Sequence[bytes], changes: Sequence[TwinChange]) -> bytes:
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    text = b"".join(lines)
    behind = len(text) + 1
    for change in sorted(set(changes), key=lambda c: (c.stop, c.start), reverse=True):
        start = starts[change.start[0] - 1] + change.start[1]
        stop = starts[change.stop[0] - 1] + change.stop[1]
        if stop <= behind:
            text = text[:start] + change.text.encode() + text[stop:]
            behind = start
    return text
