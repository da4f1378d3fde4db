"""From a model's reply to code that can be judged, once as it stands and once cleaned.

Both take time linear in the reply: a syntax error is cut off at the statement that holds it
instead of trying every range of lines.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence

_FENCED = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_CODE_BEGINS = re.compile(r"^(?:from |import |def |class |async def |@)", re.MULTILINE)
_CUTS = 4
_MAX_CHARACTERS = 200_000


def raw_code(reply: str) -> str:
    """The first fenced block of a reply as it stands, or the whole reply if it has none."""
    block = _FENCED.search(reply[:_MAX_CHARACTERS])
    return block[1] if block else reply


def sanitised_code(reply: str, entry_point: str, *, before: str = "") -> str:
    """The function that was asked for, with the imports and definitions that it needs.

    `before` is code that the reply continues: for a raw completion the problem itself. Examples,
    prints, asserts and text around the code are left out. What cannot be understood at all comes
    back as `raw_code` gives it.
    """
    for candidate in _candidates(reply[:_MAX_CHARACTERS], entry_point):
        tree, source = _parsed(before + candidate)
        if tree is not None and _defines(tree, entry_point):
            return _closure(tree, source, entry_point)
    return raw_code(reply)


def _candidates(reply: str, entry_point: str) -> list[str]:
    """Pieces of a reply that may be code, the likeliest first."""
    blocks = [match[1] for match in _FENCED.finditer(reply)]
    wanted = re.compile(rf"\bdef\s+{re.escape(entry_point)}\b")
    blocks.sort(key=lambda block: wanted.search(block) is None)
    begin = _CODE_BEGINS.search(reply)
    return [*blocks, reply, reply[begin.start() :] if begin else reply]


def _parsed(source: str) -> tuple[ast.Module | None, str]:
    """The longest beginning of the source that parses, give or take a statement."""
    for _ in range(_CUTS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                return ast.parse(source), source
        except SyntaxError as err:
            lines = source.splitlines(keepends=True)
            cut = min(err.lineno or len(lines), len(lines)) - 1
            while cut > 0 and not _starts_statement(lines[cut]):
                cut -= 1
            source = "".join(lines[:cut])
        except (ValueError, RecursionError, MemoryError):
            break
        if not source.strip():
            break
    return None, source


def _starts_statement(line: str) -> bool:
    return bool(line.strip()) and not line[0].isspace() and line[0] not in ")]}"


def _defines(tree: ast.Module, name: str) -> bool:
    return any(name in _bound(node) for node in tree.body)


def _bound(node: ast.stmt) -> set[str]:
    """The names that a top-level statement gives a meaning."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            stored = (item for item in ast.walk(node) if isinstance(item, ast.Name))
            return {item.id for item in stored if isinstance(item.ctx, ast.Store)}
        case _:
            return set()


def _closure(tree: ast.Module, source: str, entry_point: str) -> str:
    """Imports, and what the entry point reaches by name, in the order it was written."""
    needed, waiting = {entry_point}, [entry_point]
    while waiting:
        name = waiting.pop()
        for node in tree.body:
            if name in _bound(node):
                new = _used(node) - needed
                needed |= new
                waiting += new
    kept = [
        node
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) or _bound(node) & needed
    ]
    return _sources(kept, source)


def _used(node: ast.AST) -> set[str]:
    return {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}


def _sources(nodes: Sequence[ast.stmt], source: str) -> str:
    lines = source.split("\n")
    pieces = []
    for node in nodes:
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(item.lineno for item in decorators)])
        pieces.append("\n".join(lines[first - 1 : node.end_lineno]))
    return "\n".join(pieces) + "\n"
