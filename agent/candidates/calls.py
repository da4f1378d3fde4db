"""Edits of calls, sequences and subscripts: exchanged or dropped items, a missing call or `await`."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence

from agent.candidates.source import Edit, ParsedFile
from agent.candidates.values import names_in_scope
from agent.candidates.vocabulary import Vocabulary

_MOST_ADDED = 4
_MOST_CALLED = 6
_MOST_HELPERS = 3
_NO_VALUES = (ast.Starred, ast.Lambda, ast.Yield, ast.YieldFrom, ast.Tuple, ast.NamedExpr)
_METHODS = ("strip", "lower", "upper", "copy")
_FUNCTIONS = ("str", "int", "list", "len", "sorted", "abs", "round", "set")
_WHOLE = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.JoinedStr, ast.List, ast.Dict)
"""Expressions whose method can be called without parentheses around them."""


def call_edits(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """Other items for one call, tuple, list or subscript."""
    match node:
        case ast.Call():
            yield from _exchanged(source, node.args)
            yield from _rotated(source, node.args)
            yield from _without(source, node, node.args)
            yield from _split_once(source, node)
            if _in_coroutine(source, node):
                yield from _awaited(source, node)
        case ast.Tuple(elts=items, ctx=ast.Load()) | ast.List(elts=items, ctx=ast.Load()):
            yield from _exchanged(source, items)
            yield from _without(source, node, items)
            yield from _with_another(source, items)
        case ast.Set(elts=items):
            yield from _without(source, node, items)
        case ast.IfExp(body=body, orelse=orelse, test=test):
            texts = (source.code(part) for part in (orelse, test, body))
            yield source.replace(node, "{} if {} else {}".format(*texts), "branches exchanged")
            yield source.replace(node, source.code(body), "only the first branch")
        case ast.Subscript(value=value, slice=ast.Slice() as part):
            yield from _sliced(source, node, value, part)
        case ast.Await(value=value):
            yield source.replace(node, source.code(value), "await left out")
        case _:
            return


def helper_calls(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """Calls of the file's own functions that nothing in it calls, around a value that is handed on."""
    values = [value for value in _handed_on(node) if not isinstance(value, _NO_VALUES)]
    helpers = _idle_helpers(source, node)[:_MOST_HELPERS] if values else []
    for value in values:
        for name in helpers:
            yield source.replace(value, f"{name}({source.code(value)})", f"{name}() put in")


def _handed_on(node: ast.AST) -> Sequence[ast.expr]:
    match node:
        case ast.Return(value=ast.expr() as value) | ast.Assign(value=value):
            return [value]
        case ast.AugAssign(value=value) | ast.For(iter=value):
            return [value]
        case ast.ListComp(elt=value) | ast.SetComp(elt=value) | ast.GeneratorExp(elt=value):
            return [value]
        case ast.DictComp(key=key, value=value):
            return [key, value]
        case ast.Call(args=values):
            return [each for each in values if not isinstance(each, ast.GeneratorExp)]
        case _:
            return []


def _idle_helpers(source: ParsedFile, node: ast.AST) -> list[str]:
    """The functions of a file that take one argument and are used nowhere in it, the nearest first."""
    around = source.scope(node)
    found = [
        each
        for each in source.tree.body
        if isinstance(each, ast.FunctionDef)
        and each is not around
        and each.name not in source.loaded
        and len(each.args.args) - len(each.args.defaults) == 1
        and not (each.args.posonlyargs or each.args.kwonlyargs)
    ]
    line = getattr(node, "lineno", 0)
    return [each.name for each in sorted(found, key=lambda each: abs(each.lineno - line))]


def missing_calls(source: ParsedFile, node: ast.AST, vocabulary: Vocabulary) -> Iterator[Edit]:
    """Calls around the value that a statement, a loop or a comprehension gives on.

    Tried are what the project itself calls so, most frequent first, and what is usual.
    """
    match node:
        case ast.Return(value=ast.expr() as value) | ast.Assign(value=value):
            pass
        case ast.AugAssign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            pass
        case ast.For(iter=value) | ast.ListComp(elt=value) | ast.GeneratorExp(elt=value):
            pass
        case _:
            return
    if isinstance(value, ast.Constant | ast.Tuple | ast.Await | ast.Yield | ast.Lambda):
        return
    code = source.code(value)
    base = code if isinstance(value, _WHOLE) else f"({code})"
    for name in dict.fromkeys([*vocabulary.methods[:_MOST_CALLED], *_METHODS]):
        yield source.replace(value, f"{base}.{name}()", f".{name}() put in")
    for name in dict.fromkeys([*vocabulary.functions[:_MOST_CALLED], *_FUNCTIONS]):
        yield source.replace(value, f"{name}({code})", f"{name}() put in")


def calls_left_out(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """Only what a call was made of."""
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=[], keywords=[]):
            yield source.replace(node, source.code(value), f".{name}() left out")
        case ast.Call(func=ast.Name(id=name), args=[value], keywords=[]):
            yield source.replace(node, source.code(value), f"{name}() left out")
        case _:
            return


def _exchanged(source: ParsedFile, items: Sequence[ast.expr]) -> Iterator[Edit]:
    for left, right in itertools.pairwise(items):
        start, end = source.span(left)[0], source.span(right)[1]
        gap = source.between(source.span(left)[1], source.span(right)[0])
        text = f"{source.code(right)}{gap}{source.code(left)}"
        yield Edit(start=start, end=end, text=text, kind="neighbours exchanged")


def _rotated(source: ParsedFile, items: Sequence[ast.expr]) -> Iterator[Edit]:
    """Three items or more in the other orders that keep the ring they form."""
    if len(items) < 3:  # noqa: PLR2004 - of two, neighbours exchanged is the only other order
        return
    start, end = source.span(items[0])[0], source.span(items[-1])[1]
    texts = [source.code(item) for item in items]
    for turned in ([texts[-1], *texts[:-1]], [*texts[1:], texts[0]]):
        yield Edit(start=start, end=end, text=", ".join(turned), kind="arguments in turn")


def _without(source: ParsedFile, node: ast.expr, items: Sequence[ast.expr]) -> Iterator[Edit]:
    following: list[ast.expr | None] = [*items[1:], None]
    for item, after in zip(items, following, strict=False):
        start, end = source.span(item)
        if after is not None:
            end = source.span(after)[0]
        elif len(items) > 1:
            start = source.span(items[-2])[1]
        elif not isinstance(node, ast.Call):
            continue
        yield Edit(start=start, end=end, text="", kind=f"{source.code(item)[:20]} left out")


def _split_once(source: ParsedFile, node: ast.Call) -> Iterator[Edit]:
    """A text that is taken apart at its first mark alone, where it was at every one."""
    match node:
        case ast.Call(
            func=ast.Attribute(attr="split" | "rsplit" as name), args=[mark], keywords=[]
        ):
            end = source.span(mark)[1]
            yield Edit(start=end, end=end, text=", 1", kind=f"one {name}() alone")
        case _:
            return


def _with_another(source: ParsedFile, items: Sequence[ast.expr]) -> Iterator[Edit]:
    """Add an item that is a variable in scope, in place of one that may have been dropped."""
    if not items:
        return
    end = source.span(items[-1])[1]
    there = {item.id for item in items if isinstance(item, ast.Name)}
    others = [name for name in names_in_scope(source, items[0]) if name not in there]
    for name in others[:_MOST_ADDED]:
        yield Edit(start=end, end=end, text=f", {name}", kind=f"{name} put in")


def _sliced(
    source: ParsedFile, node: ast.Subscript, value: ast.expr, part: ast.Slice
) -> Iterator[Edit]:
    base = source.code(value)
    lower = source.code(part.lower) if part.lower else ""
    upper = source.code(part.upper) if part.upper else ""
    step = f":{source.code(part.step)}" if part.step else ""
    for low, high in ((upper, lower), ("", upper), (lower, ""), ("1", upper), (lower, "-1")):
        text = f"{base}[{low}:{high}{step}]"
        yield source.replace(node, text, f"slice [{low}:{high}]")


def _in_coroutine(source: ParsedFile, node: ast.AST) -> bool:
    return isinstance(source.scope(node), ast.AsyncFunctionDef)


def _awaited(source: ParsedFile, node: ast.Call) -> Iterator[Edit]:
    if not isinstance(source.parents.get(node), ast.Await):
        yield source.replace(node, f"await {source.code(node)}", "await put in")
