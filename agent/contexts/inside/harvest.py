"""Runs inside the box: finds code that comes with an installed library and uses certain names.

Reads orders as JSON from standard input: `nonce`, `library`, `names` (each one identifier or several with
spaces between; a piece of code must contain all of one; any piece if empty) and `most` (pieces in all). Files are read and parsed, never imported.
Writes one line, the nonce and the pieces found: `>>>` examples of docstrings and test functions.
"""

from __future__ import annotations

import ast
import doctest
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MOST_FILE_BYTES = 3_000_000
_LONGEST_PIECE = 4_000
_LONGEST_TEST_LINES = 25
_IDENTIFIER = re.compile(rb"[A-Za-z_]\w*")

Piece = dict[str, Any]
Names = frozenset[frozenset[str]]


def main() -> None:
    """Print the pieces; a file that cannot be read or parsed is left out."""
    orders = json.load(sys.stdin)
    library = str(orders["library"])
    names = frozenset(frozenset(str(name).split(" ")) for name in orders["names"])
    found: list[Piece] = []
    for path in _files(library):
        found += _pieces(path, names)
        if len(found) >= int(orders["most"]):
            break
    answer = {"version": _version(library), "pieces": found[: int(orders["most"])]}
    sys.stdout.write(f"{orders['nonce']} {json.dumps(answer)}\n")


def _files(library: str) -> Iterator[Path]:
    """Python files of a package, its own modules before its tests."""
    spec = importlib.util.find_spec(library)
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    every = sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
    yield from sorted(every, key=_is_test)


def _is_test(path: Path) -> bool:
    return "tests" in path.parts or path.name.startswith("test_")


def _pieces(path: Path, names: Names) -> list[Piece]:
    try:
        if path.stat().st_size > _MOST_FILE_BYTES:
            return []
        data = path.read_bytes()
        if not _has_one(data, names):
            return []
        tree = ast.parse(data)
        found = _tests(tree, names) if _is_test(path) else _examples(tree, names)
        return [{**piece, "file": path.name} for piece in found]
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return []


def _examples(tree: ast.Module, names: Names) -> Iterator[Piece]:
    """The `>>>` examples of every text in a module, one piece for each run without a break."""
    owners = _owners(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if ">>>" not in node.value:
            continue
        text = textwrap.dedent(node.value)
        try:
            examples = doctest.DocTestParser().get_examples(text)
        except ValueError:
            continue
        code = [[example.source, example.want] for example in examples]
        if code and _wanted("".join(source for source, _ in code), names):
            owner = owners.get(id(node), "")
            yield {"kind": "docstring", "name": owner, "about": _first_sentence(text), "code": code}


def _owners(tree: ast.Module) -> dict[int, str]:
    """Qualified names of what the docstrings belong to, by the id of the text's node."""
    owners: dict[int, str] = {}

    def visit(node: ast.AST, inside: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = inside
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{inside}.{child.name}".lstrip(".")
                first = child.body[0]
                if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                    owners[id(first.value)] = name
            visit(child, name)

    visit(tree, "")
    return owners


def _tests(tree: ast.Module, names: Names) -> Iterator[Piece]:
    """Short test functions that take no fixture, with the imports of their module."""
    imports = [ast.unparse(n) for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test"):
            continue
        arguments = [each.arg for each in node.args.args if each.arg != "self"]
        lines = (node.end_lineno or 0) - node.lineno
        if arguments or node.decorator_list or lines > _LONGEST_TEST_LINES:
            continue
        body = "\n".join(map(ast.unparse, node.body))
        if _wanted(body, names) and "self." not in body:
            yield {
                "kind": "shipped_test",
                "name": node.name,
                "about": "",
                "code": [[line, ""] for line in (*imports, *map(ast.unparse, node.body))],
            }


def _wanted(code: str, names: Names) -> bool:
    if len(code) > _LONGEST_PIECE:
        return False
    return _has_one(code.encode(), names)


def _has_one(code: bytes, names: Names) -> bool:
    words = {word.decode() for word in _IDENTIFIER.findall(code)} if names else set()
    return not names or any(each <= words for each in names)


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s", paragraph)[0][:200]


def _version(library: str) -> str:
    names = importlib.metadata.packages_distributions().get(library, [library])
    try:
        return importlib.metadata.version(names[0])
    except importlib.metadata.PackageNotFoundError:
        return ""


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
