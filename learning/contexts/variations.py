"""Other forms of a verified function: names, texts, numbers and containers changed on its syntax tree.

A change may spoil the function, so every form has to be run again before it is believed.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from learning.contexts.snippets import Snippet

_FUNCTIONS = (
    *("compute", "result_of", "prepare", "evaluate", "transformed", "answer", "outcome", "derived"),
    *("processed", "summary", "report", "collected", "converted", "measured", "checked", "updated"),
)
_ARGUMENTS = (
    *("values", "data", "numbers", "rows", "items", "entries", "records", "series_data", "table"),
    *("points", "samples", "inputs", "readings", "amounts", "parts", "content", "source"),
)
_LOCALS = (
    "frame",
    "array",
    "result",
    "first",
    "second",
    "made",
    "current",
    "found",
    "other",
    "part",
)
_TEXTS = (
    *("city", "price", "name", "size", "team", "score", "red", "blue", "north", "south", "apple"),
    *("pear", "anna", "ben", "cara", "kind", "total", "week", "green", "oslo", "rome", "lima"),
)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,14}")


def variations(snippet: Snippet, *, seed: int, fixed: frozenset[str]) -> Iterator[Snippet]:
    """Other forms of a snippet, without end; texts in `fixed` stay as they are."""
    chance = random.Random(f"{seed}\0{snippet.source}\0{snippet.call}")  # noqa: S311 - reproducible
    while True:
        module, call = ast.parse(snippet.source), ast.parse(snippet.call, mode="eval").body
        if not isinstance(call, ast.Call):
            return
        names = _new_names(module, snippet.function, chance)
        texts = _new_texts([module, call], chance, fixed | names.keys())
        changed = _Renamed(names, texts).visit(module)
        call = _Renamed(names, texts).visit(call)
        if isinstance(call, ast.Call):
            call.args = [_moved(each, chance) for each in call.args]
        source = _spaced_like(snippet.source, ast.unparse(ast.fix_missing_locations(changed)))
        function = names.get(snippet.function, snippet.function)
        head = next(line for line in source.splitlines() if line.startswith(f"def {function}("))
        yield replace(snippet, source=source, function=function, head=head, call=ast.unparse(call))


def converted(snippet: Snippet, conversion: str) -> Snippet:
    """The snippet with its result turned into plain Python by a method, such as `tolist`."""
    start = snippet.source.rindex("return ") + len("return ")
    result = snippet.source[start:].rstrip("\n")
    simple = isinstance(
        ast.parse(result, mode="eval").body, ast.Name | ast.Call | ast.Attribute | ast.Subscript
    )
    inner = result if simple else f"({result})"
    return replace(snippet, source=f"{snippet.source[:start]}{inner}.{conversion}()\n")


def _new_names(module: ast.Module, function: str, chance: random.Random) -> dict[str, str]:
    definition = next(
        each for each in module.body if isinstance(each, ast.FunctionDef) and each.name == function
    )
    arguments = [each.arg for each in definition.args.args]
    stored = {
        node.id
        for node in ast.walk(definition)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    used = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)} | set(arguments)
    names = {function: chance.choice(_FUNCTIONS)}
    for old in [*arguments, *sorted(stored - set(arguments))]:
        pool = _ARGUMENTS if old in arguments else _LOCALS
        free = [each for each in pool if each not in used and each not in names.values()]
        if free:
            names[old] = chance.choice(free)
    return names


def _new_texts(
    trees: Sequence[ast.AST], chance: random.Random, fixed: frozenset[str]
) -> dict[str, str]:
    """New words for texts that stand in data; texts that are arguments alone say what is to be done."""
    found = sorted({text for tree in trees for node in ast.walk(tree) for text in _texts_in(node)})
    free = [each for each in _TEXTS if each not in found]
    chance.shuffle(free)
    words = [each for each in found if _WORD.fullmatch(each) and each not in fixed]
    return dict(zip(words, free, strict=False))


def _texts_in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            pass
        case ast.Dict(keys=keys, values=values):
            parts = [*filter(None, keys), *values]
        case ast.Subscript(slice=index):
            parts = [index]
        case _:
            return
    for part in parts:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def _moved(value: ast.expr, chance: random.Random) -> ast.expr:
    """Data with other numbers, and now and then a tuple for a list."""
    by = chance.randint(0, 3)
    moved = _Numbers(by).visit(value) if by else value
    if isinstance(moved, ast.List) and chance.random() < 0.2:  # noqa: PLR2004 - one in five
        return ast.Tuple(elts=moved.elts, ctx=ast.Load())
    return moved if isinstance(moved, ast.expr) else value


def _spaced_like(before: str, after: str) -> str:
    """The source with an empty line before the definitions, where the form before had them."""
    lines: list[str] = []
    for line in after.splitlines():
        if line.startswith(("def ", "class ")) and lines and "\n\n" in before and lines[-1]:
            lines.append("")
        lines.append(line)
    return "\n".join(lines) + "\n"


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str], texts: Mapping[str, str]) -> None:
        self._names = names
        self._texts = texts

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """A local name."""
        node.id = self._names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """An argument of a function."""
        node.arg = self._names.get(node.arg, node.arg)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """The function itself."""
        node.name = self._names.get(node.name, node.name)
        self.generic_visit(node)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """A text, the same wherever it stands."""
        if isinstance(node.value, str):
            node.value = self._texts.get(node.value, node.value)
        return node


class _Numbers(ast.NodeTransformer):
    def __init__(self, by: int) -> None:
        self._by = by

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """A number that is not a truth value."""
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            node.value += self._by
        return node
