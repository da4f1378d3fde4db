"""Statements in another place: exchanged with the next one, out of a block, into one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from agent.candidates.source import Edit, ParsedFile

_LONGEST = 400
"""Characters of a statement that is moved, and of the block that it passes."""
_BLOCKS = ast.For | ast.AsyncFor | ast.While | ast.If | ast.With | ast.AsyncWith


def moved_statements(source: ParsedFile, statement: ast.stmt) -> Iterator[Edit]:
    """One statement a place further: behind the next one, out of its block, or into the block before it."""
    if not _is_movable(source, statement):
        return
    block = source.block(statement)
    place = block.index(statement)
    if place + 1 < len(block):
        yield from _exchanged(source, statement, block[place + 1])
    above = source.parents.get(statement)
    if isinstance(above, _BLOCKS) and len(block) > 1 and block is above.body:
        if statement is block[-1] and not getattr(above, "orelse", []):
            yield from _behind(source, statement, block[-2], above)
        if place == 0:
            yield from _before(source, statement, block[1], above)
    if place and isinstance(before := block[place - 1], _BLOCKS):
        yield from _inside(source, statement, before)


def _is_movable(source: ParsedFile, statement: ast.stmt) -> bool:
    """True for a short statement of a function alone on its lines, without a text of several ones or a comment."""
    if not isinstance(source.scope(statement), ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Return):
        return False
    start, end = source.span(statement)
    begins = not source.between(source.line_start(statement.lineno), start).strip()
    ends = not source.between(end, source.line_start((statement.end_lineno or 0) + 1)).strip()
    code = source.between(start, end)
    return begins and ends and len(code) <= _LONGEST and '"""' not in code and "'''" not in code


def _exchanged(source: ParsedFile, one: ast.stmt, other: ast.stmt) -> Iterator[Edit]:
    if not _is_movable(source, other):
        return
    start, end = source.span(one)[0], source.span(other)[1]
    gap = source.between(source.span(one)[1], source.span(other)[0])
    if gap.strip():  # a comment is about one of them
        return
    text = f"{source.code(other)}{gap}{source.code(one)}"
    yield Edit(start=start, end=end, text=text, kind="statements exchanged")


def _behind(
    source: ParsedFile, statement: ast.stmt, before: ast.stmt, block: ast.stmt
) -> Iterator[Edit]:
    start, end = source.span(before)[1], source.span(statement)[1]
    if _has_comment(source, before, statement):
        return
    text = f"\n{_moved(source, statement, block.col_offset)}"
    yield Edit(start=start, end=end, text=text, kind="moved behind its block")


def _before(
    source: ParsedFile, statement: ast.stmt, after: ast.stmt, block: ast.stmt
) -> Iterator[Edit]:
    start, end = source.line_start(block.lineno), source.span(after)[0]
    if source.between(start, source.span(block)[0]).strip():
        return  # an `elif`, whose block begins with another word
    header = source.between(start, source.line_start(statement.lineno))
    if source.line_start(statement.lineno) <= source.span(block)[0]:
        return
    if _has_comment(source, statement, after):
        return
    text = f"{_moved(source, statement, block.col_offset)}\n{header}{' ' * after.col_offset}"
    yield Edit(start=start, end=end, text=text, kind="moved before its block")


def _inside(source: ParsedFile, statement: ast.stmt, block: ast.stmt) -> Iterator[Edit]:
    last = getattr(block, "orelse", None) or getattr(block, "body", [])
    if not last or last[0].lineno == block.lineno or isinstance(last[-1], _BLOCKS):
        return
    if _has_comment(source, last[-1], statement):
        return
    start, end = source.span(last[-1])[1], source.span(statement)[1]
    text = f"\n{_moved(source, statement, last[-1].col_offset)}"
    yield Edit(start=start, end=end, text=text, kind="moved into the block before it")


def _has_comment(source: ParsedFile, one: ast.stmt, other: ast.stmt) -> bool:
    """True if more than white space stands between two statements: it would be lost."""
    return bool(source.between(source.span(one)[1], source.span(other)[0]).strip())


def _moved(source: ParsedFile, statement: ast.stmt, column: int) -> str:
    """The lines of a statement, indented as far as a column."""
    old = " " * statement.col_offset
    code = re.sub(rf"\n{old}", "\n" + " " * column, source.code(statement))
    return " " * column + code
