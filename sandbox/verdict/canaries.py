"""Tests that must fail: put among the real ones, under names nobody can know beforehand.

Three are plain (an assertion, an exception, a comparison of unequal things). The others are copies
of tests whose pass will matter, with the expected value replaced by a fresh object: a result that
is "equal" to that is equal to anything.
"""

from __future__ import annotations

import ast
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sandbox.box.contract import SourceFile
from sandbox.box.policy import HARNESS_DIR
from sandbox.project.detection import Runner
from sandbox.verdict.pristine import content_of, is_test_file

_MOST_CHANGED = 4
_CANARY_FOLDER = f"..{HARNESS_DIR}/canary"
_EQUALITIES = frozenset({"assertEqual", "assertEquals"})
_WORDS = ("value", "order", "parse", "total", "empty", "merge", "bounds", "round", "format", "keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    """The files to add, and the ids of the tests in them that must not pass."""

    paths: tuple[str, ...] = ()
    """Paths at which the runner finds them."""
    files: tuple[SourceFile, ...] = ()
    """Files for the project's own test folder."""
    harness: tuple[SourceFile, ...] = ()
    """Files for our own folder in the box."""
    ids: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    """Ids that must have an outcome; a copied file need not load a second time."""

    @property
    def words(self) -> frozenset[str]:
        """Words that only canaries have in their names."""
        stems = (PurePosixPath(path).stem for path in self.paths)
        inside = (
            test_id.partition("::")[2].split("::") if "::" in test_id else test_id.split(".")[1:]
            for test_id in self.plain
        )
        return frozenset(stems).union(*inside)


def make_canaries(runner: Runner, files: Sequence[SourceFile], doubted: Sequence[str]) -> Canaries:
    """Make the canaries of one run; `doubted` are ids of tests whose pass will matter."""
    tests = {file.path: file for file in files if is_test_file(file.path)}
    if runner == "command" or not tests:
        return Canaries()
    name = f"test_{_token()}"
    if runner == "unittest":
        text, _, methods = _plain_canaries()
        ids = frozenset(f"{name}.{method.replace('::', '.')}" for method in methods)
        file = SourceFile(path=f"canary/{name}.py", content=text)
        return Canaries(paths=(file.path,), harness=(file,), ids=ids, plain=ids)
    text, functions, methods = _plain_canaries()
    # beside the tests only where a pass will matter: a suite may look at its own folder
    folder = _CANARY_FOLDER if not doubted else str(PurePosixPath(min(tests, key=_nearest)).parent)
    plain = str(PurePosixPath(folder) / f"{name}.py")
    changed = _changed_copies(tests, doubted)
    ids = frozenset(f"{plain}::{test}" for test in (*functions, *methods))
    return Canaries(
        paths=(plain, *(file.path for file, _ in changed)),
        files=(
            *([SourceFile(path=plain, content=text)] if doubted else ()),
            *(f for f, _ in changed),
        ),
        harness=() if doubted else (SourceFile(path=f"canary/{name}.py", content=text),),
        ids=ids.union(*(changed_ids for _, changed_ids in changed)),
        plain=ids,
    )


def _nearest(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _token() -> str:
    return f"{secrets.choice(_WORDS)}_{secrets.token_hex(4)}"


def _plain_canaries() -> tuple[bytes, list[str], list[str]]:
    first, second, third, fourth = (f"test_{_token()}" for _ in range(4))
    owner = f"Test{secrets.token_hex(4)}"
    number = secrets.randbelow(1000)
    text = f"""import unittest


def {first}():
    assert {number} == {number + 1}


def {second}():
    raise ValueError({number})


class {owner}(unittest.TestCase):
    def {third}(self):
        self.assertEqual(object(), {number})

    def {fourth}(self):
        raise KeyError({number})
"""
    return text.encode(), [first, second], [f"{owner}::{third}", f"{owner}::{fourth}"]


def _changed_copies(
    tests: dict[str, SourceFile], doubted: Sequence[str]
) -> list[tuple[SourceFile, frozenset[str]]]:
    """Return copies of test files in which the expectations of doubted tests cannot be met."""
    by_file: dict[str, list[str]] = {}
    for test_id in doubted:
        path, _, inside = test_id.partition("::")
        if path in tests and inside:
            by_file.setdefault(path, []).append(inside)
    copies: list[tuple[SourceFile, frozenset[str]]] = []
    room = _MOST_CHANGED
    for path, names in by_file.items():
        text, changed = spoil(content_of(tests[path]), names[:room])
        if changed:
            copy = str(PurePosixPath(path).parent / f"test_{_token()}.py")
            ids = frozenset(f"{copy}::{name}" for name in changed)
            copies.append((SourceFile(path=copy, content=text), ids))
            room -= len(changed)
    return copies


def spoil(source: bytes, names: Sequence[str]) -> tuple[bytes, tuple[str, ...]]:
    """Replace what the named tests expect by fresh objects; the new text, and whose could be.

    `names` are the parts of node ids behind the file, e.g. `TestA::test_b[1]`.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return b"", ()
    spoiled: dict[str, bool] = {}
    for name in names:
        plain = name.partition("[")[0]
        if plain not in spoiled:
            function = _find(tree, plain.split("::"))
            spoiled[plain] = function is not None and _spoil_function(function)
    changed = tuple(name for name in names if spoiled[name.partition("[")[0]])
    return (ast.unparse(ast.fix_missing_locations(tree)).encode() if changed else b""), changed


def _find(tree: ast.Module, parts: Sequence[str]) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    body: Sequence[ast.stmt] = tree.body
    for owner in parts[:-1]:
        classes = (n for n in body if isinstance(n, ast.ClassDef) and n.name == owner)
        body = next((item.body for item in classes), [])
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return next((n for n in body if isinstance(n, kinds) and n.name == parts[-1]), None)


def _spoil_function(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Change only what surely runs: a canary that could pass honestly would be a false alarm."""
    if any("mark" not in ast.dump(decorator) for decorator in function.decorator_list):
        return False  # e.g. a property test, which would search for a smaller counterexample
    done = False
    for statement in function.body:
        if any(
            isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) for node in ast.walk(statement)
        ):
            break
        done = _spoil_statement(statement) or done
    return done


def _spoil_statement(statement: ast.stmt) -> bool:
    if any(
        isinstance(n, ast.Name | ast.Attribute) and _called(n) == "ANY" for n in ast.walk(statement)
    ):
        return False
    fresh = ast.Call(func=ast.Name(id="object", ctx=ast.Load()), args=[], keywords=[])
    match statement:
        case ast.Assert(test=ast.Compare(ops=[ast.Eq()], comparators=[right]) as compared):
            if _is_fixed(compared.left) and not _is_fixed(right):
                compared.left = fresh
            else:
                compared.comparators = [fresh]
            return True
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(attr=attr), args=[left, right, *_]) as call
        ):
            if attr not in _EQUALITIES:
                return False
            place = 0 if _is_fixed(left) and not _is_fixed(right) else 1
            call.args[place] = fresh
            return True
        case _:
            return False


def _called(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _is_fixed(node: ast.expr) -> bool:
    """True if a value is written out rather than computed."""
    return not any(isinstance(n, ast.Call | ast.Name | ast.Attribute) for n in ast.walk(node))
