"""Edits of whole statements: a missing `return`, one too many, another way out of a loop."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from agent.candidates.source import Edit, ParsedFile
from agent.candidates.values import names_in_scope

_MOST_RETURNED = 4


def statement_edits(source: ParsedFile, statement: ast.stmt) -> Iterator[Edit]:
    """Other statements in the place of one."""
    for text, kind in _others(source, statement):
        yield source.replace(statement, text, kind)
    yield from _returned(source, statement)
    is_text = isinstance(getattr(statement, "value", None), ast.Constant)
    removable = ast.Assign | ast.AugAssign | ast.Expr | ast.If | ast.Raise | ast.Break
    if isinstance(statement, removable) and not (isinstance(statement, ast.Expr) and is_text):
        yield source.replace(statement, "pass", "statement left out")


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
