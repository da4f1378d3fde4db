"""Names that do not exist, replaced by those that the installed library has.

What the library has comes from `agent.advice`, which asks it in the sandbox. Replacement names are
nearly always used once they stand in the code (arXiv 2406.09834), so the edit makes them stand there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from agent.candidates.source import Edit, ParsedFile

_ABSENT = re.compile(
    r"has no attribute '(?P<attribute>\w+)'|unexpected keyword argument '(?P<keyword>\w+)'"
    r"|cannot import name '(?P<imported>\w+)'"
)
_ADVISED = re.compile(r"\b(?:Use|Or|Pass) \.?((?:\w+\.)*\w+)")
_PARAMETER = re.compile(r"\b(\w+)(?==)")


def absent_name(message: str) -> str:
    """The attribute, keyword or imported name that an error says is not there; empty for others."""
    match = _ABSENT.search(message)
    return next(filter(None, match.groups()), "") if match else ""


def names_in(facts: Sequence[str]) -> tuple[str, ...]:
    """The names that facts of the environment give instead: advised ones, then parameters."""
    advised = [name.rpartition(".")[2] for fact in facts for name in _ADVISED.findall(fact)]
    parameters = [name for fact in facts for name in _PARAMETER.findall(fact)]
    return tuple(dict.fromkeys([*advised, *parameters]))


def library_name_edits(source: ParsedFile, absent: str, names: Sequence[str]) -> Iterator[Edit]:
    """Other names wherever a file uses one that does not exist; a keyword may also be left out."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute(attr=attribute) if attribute == absent:
                end = source.span(node)[1]
                start = end - len(absent.encode())
                yield from _others(start, end, absent, names)
            case ast.Call(keywords=keywords):
                for keyword in keywords:
                    if keyword.arg == absent:
                        yield from _keyword(source, node, keyword, names)
            case ast.alias(name=imported) if imported == absent:
                start = source.position(node.lineno, node.col_offset)
                yield from _others(start, start + len(absent.encode()), absent, names)
            case _:
                continue


def _others(start: int, end: int, absent: str, names: Sequence[str]) -> Iterator[Edit]:
    for name in names:
        if name != absent:
            yield Edit(start=start, end=end, text=name, kind=f"{absent} to {name}")


def _keyword(
    source: ParsedFile, call: ast.Call, keyword: ast.keyword, names: Sequence[str]
) -> Iterator[Edit]:
    absent = keyword.arg or ""
    start = source.position(keyword.lineno, keyword.col_offset)
    yield from _others(start, start + len(absent.encode()), absent, names)
    value = source.code(keyword.value)
    yield Edit(
        start=start, end=source.span(keyword.value)[1], text=value, kind=f"{absent}= left out"
    )
    others = [*map(source.code, call.args)]
    others += [
        f"{other.arg}={source.code(other.value)}" if other.arg else f"**{source.code(other.value)}"
        for other in call.keywords
        if other is not keyword
    ]
    text = f"{source.code(call.func)}({', '.join(others)})"
    yield source.replace(call, text, f"{absent}={value[:20]} left out")
