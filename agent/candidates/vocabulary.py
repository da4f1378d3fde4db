"""The words of a project: its constants, short calls and factors, for edits to choose from."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

from agent.candidates.source import ParsedFile, is_huge

_LONGEST_CONSTANT = 60
_FACTORS = {ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**"}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The project's own constants and short calls, most frequent first."""

    numbers: Sequence[str] = ()
    texts: Sequence[str] = ()
    methods: Sequence[str] = ()
    """Methods that are called without arguments."""
    functions: Sequence[str] = ()
    """Functions that are called with one argument."""
    calls: Sequence[str] = ()
    """Methods that are called with constants, such as `.replace("a", "b")`."""
    factors: Sequence[str] = ()
    """Numbers with the operator before them, such as `* 60`."""

    @classmethod
    def of(cls, sources: Iterable[ParsedFile]) -> Vocabulary:
        """Gather the constants and the short calls of some files."""
        counters: dict[str, Counter[str]] = {field.name: Counter() for field in fields(cls)}
        for source in sources:
            for node in ast.walk(source.tree):
                counters["factors"].update(_factor(node))
                if isinstance(node, ast.Constant):
                    for kind, word in _constant(node):
                        counters[kind][word] += 1
                elif isinstance(node, ast.Call):
                    for kind, word in _short_call(source, node):
                        counters[kind][word] += 1
        return cls(
            **{
                kind: [word for word, _ in counter.most_common()]
                for kind, counter in counters.items()
            }
        )


def _constant(node: ast.Constant) -> Iterator[tuple[str, str]]:
    match node.value:
        case bool():
            return
        case int() | float() as number if not is_huge(number):
            yield "numbers", repr(number)
        case str() as text if len(text) <= _LONGEST_CONSTANT:
            yield "texts", repr(text)
        case _:
            return


def _short_call(source: ParsedFile, node: ast.Call) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Call(func=ast.Attribute(attr=name), args=[], keywords=[]):
            yield "methods", name
        case ast.Call(func=ast.Name(id=name), args=[ast.expr()], keywords=[]):
            yield "functions", name
        case ast.Call(func=ast.Attribute(attr=name), args=given, keywords=[]):
            if all(isinstance(item, ast.Constant) for item in given):
                text = f".{name}({', '.join(map(source.code, given))})"
                if len(text) <= _LONGEST_CONSTANT and "\n" not in text:
                    yield "calls", text
        case _:
            return


def _factor(node: ast.AST) -> list[str]:
    match node:
        case ast.BinOp(op=op, right=ast.Constant(value=int() | float() as number)):
            sign = "" if is_huge(number) else _FACTORS.get(type(op))
            return [f"{sign} {number!r}"] if sign else []
        case _:
            return []
