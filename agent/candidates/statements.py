"""Edits of whole statements: a missing one, one too many, another way out of a loop."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Iterator, Sequence

from agent.candidates.moves import moved_statements
from agent.candidates.source import Edit, ParsedFile
from agent.candidates.values import names_in_scope

_MOST_RETURNED = 4
_MOST_TARGETS = 4
_MOST_COUNTED = 5
_MOST_COPIED = 8
_LONGEST_COPY = 80
_MOST_NAMES = 6
_MOST_VARIED = 40
_MOST_FOR_REST = 30


def statement_edits(source: ParsedFile, statement: ast.stmt) -> Iterator[Edit]:
    """Other statements in the place of one."""
    for text, kind in _others(source, statement):
        yield source.replace(statement, text, kind)
    yield from _returned(source, statement)


def odd_statements(source: ParsedFile, statement: ast.stmt) -> Iterator[Edit]:
    """A statement that is too much, stands in another place, or gives its value to another name."""
    is_text = isinstance(getattr(statement, "value", None), ast.Constant)
    removable = ast.Assign | ast.AugAssign | ast.Expr | ast.If | ast.Raise | ast.Break
    if isinstance(statement, removable) and not (isinstance(statement, ast.Expr) and is_text):
        yield source.replace(statement, "pass", "statement left out")
    yield from _other_targets(source, statement)
    yield from moved_statements(source, statement)


def turned_assignments(source: ParsedFile, statement: ast.stmt) -> Iterator[Edit]:
    """The sides of an assignment exchanged."""
    sides = ast.Name | ast.Attribute | ast.Subscript
    match statement:
        case ast.Assign(targets=[target], value=value):
            if isinstance(target, sides) and isinstance(value, sides):
                text = f"{source.code(value)} = {source.code(target)}"
                yield source.replace(statement, text, "sides exchanged")
        case _:
            return


def _other_targets(source: ParsedFile, statement: ast.stmt) -> Iterator[Edit]:
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id=name) as target])
            | ast.AugAssign(target=ast.Name(id=name) as target)
        ):
            others = [other for other in names_in_scope(source, statement) if other != name]
            for other in others[:_MOST_TARGETS]:
                yield source.replace(target, other, f"{name} to {other}")
        case _:
            return


def _others(source: ParsedFile, statement: ast.stmt) -> Iterator[tuple[str, str]]:
    match statement:
        case ast.Expr(value=ast.Yield(value=ast.expr() as value)):
            yield f"yield from {source.code(value)}", "yield from"
        case ast.Expr(value=ast.YieldFrom(value=value)):
            yield f"yield {source.code(value)}", "yield"
        case ast.Expr(value=value) if not isinstance(value, ast.Constant):
            yield f"return {source.code(value)}", "return put in"
        case ast.Break():
            yield "continue", "break to continue"
        case ast.Continue():
            yield "break", "continue to break"
        case ast.Return(value=ast.expr() as value):
            yield f"yield {source.code(value)}", "return to yield"
        case _:
            return


def _returned(source: ParsedFile, statement: ast.stmt) -> Iterator[Edit]:
    """A `return` of a local variable after the last statement of a function without one."""
    scope = source.parents.get(statement)
    if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    if scope.body[-1] is not statement or isinstance(statement, ast.Return | ast.Raise):
        return
    indent = " " * statement.col_offset
    end = source.span(statement)[1]
    for name in names_in_scope(source, statement)[:_MOST_RETURNED]:
        yield Edit(
            start=end, end=end, text=f"\n{indent}return {name}", kind=f"return {name} put in"
        )


def missing_statements(source: ParsedFile, statement: ast.stmt) -> Iterator[Edit]:
    """One more statement before another, and behind it where it is the last of its block.

    Tried are a step of a counter, a way out of a loop, and the function's own short statements once more
    (what is missing is often there already: GenProg, Le Goues et al. 2012).
    """
    scope = source.scope(statement)
    if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        copies = (source.code(node) for node in _short_statements(source, scope))
        yield from _put_in(source, statement, [*_steps(source, statement), *copies])


def statements_for_the_rest(source: ParsedFile, statement: ast.stmt) -> Iterator[Edit]:
    """Yield a loop's work on its items once more behind it: for the last group, or for the rest."""
    block = source.block(statement)
    place = block.index(statement)
    scope = source.scope(statement)
    if not place or not isinstance(loop := block[place - 1], ast.For | ast.While):
        return
    if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        names = names_in_scope(source, statement)[:_MOST_NAMES]
        texts = [
            text
            for node in _short_statements(source, loop)
            if not isinstance(node, ast.Assign)
            for text in (source.code(node), *_with_other_names(source, node, names))
        ]
        yield from _put_in(source, statement, texts[:_MOST_FOR_REST])


def copied_statements(source: ParsedFile, statement: ast.stmt) -> Iterator[Edit]:
    """One of the function's own short statements once more, with another variable in one place of it."""
    scope = source.scope(statement)
    if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        names = names_in_scope(source, statement)[:_MOST_NAMES]
        texts = (
            varied
            for node in _short_statements(source, scope)
            for varied in _with_other_names(source, node, names)
        )
        yield from _put_in(source, statement, itertools.islice(texts, _MOST_VARIED))


def _put_in(source: ParsedFile, statement: ast.stmt, texts: Iterable[str]) -> Iterator[Edit]:
    start, end = source.span(statement)
    space = "\n" + " " * statement.col_offset
    for text in dict.fromkeys(texts):
        if text == source.code(statement):
            continue
        kind = f"{text[:24]} put in"
        yield Edit(start=start, end=start, text=f"{text}{space}", kind=kind)
        if _is_last(source, statement):
            yield Edit(start=end, end=end, text=f"{space}{text}", kind=kind)


def _steps(source: ParsedFile, statement: ast.stmt) -> Iterator[str]:
    for name in names_in_scope(source, statement)[:_MOST_COUNTED]:
        yield from (f"{name} += 1", f"{name} -= 1")
    above = source.parents.get(statement)
    while above is not None and not isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef):
        if isinstance(above, ast.For | ast.While):
            yield from ("continue", "break")
            return
        above = source.parents.get(above)


def _short_statements(source: ParsedFile, scope: ast.AST) -> list[ast.stmt]:
    found = (
        node
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign | ast.AugAssign)
        or (isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant))
    )
    short = (
        node
        for node in found
        if len(source.code(node)) <= _LONGEST_COPY and "\n" not in source.code(node)
    )
    return list(itertools.islice(short, _MOST_COPIED))


def _with_other_names(
    source: ParsedFile, statement: ast.stmt, names: Sequence[str]
) -> Iterator[str]:
    """The statement with one of its variables replaced by another one."""
    start = source.span(statement)[0]
    code = source.code(statement).encode("utf-8", "surrogatepass")
    own = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and node.id in names]
    for node in own:
        first, last = (place - start for place in source.span(node))
        for name in names:
            if name != node.id:
                yield (code[:first] + name.encode() + code[last:]).decode("utf-8", "surrogatepass")


def _is_last(source: ParsedFile, statement: ast.stmt) -> bool:
    return source.block(statement)[-1] is statement
