"""Another character in a text: alignments, back references, format fields, regular expressions."""

from __future__ import annotations

import ast
import itertools
import re
import warnings
from collections.abc import Callable, Iterator
from typing import TypeGuard

from agent.candidates.source import Edit, ParsedFile
from agent.candidates.values import is_documentation

_LONGEST = 120
_MOST = 16
_SHORT = 12
"""Longer texts are sentences as a rule: their plus signs and hyphens mean nothing."""
_EXPRESSION = re.compile(r"\\[dDwWsSbB]|[\])}.][*+?]|^\w?.?\^|\$\W*$|\[")
"""Found in what is a regular expression, as a rule."""
_Others = Callable[[re.Match[str]], tuple[str, ...]]


def text_edits(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """One character of a text exchanged for its natural counterpart."""
    if not isinstance(node, ast.JoinedStr) and not _is_text(node):
        return
    if isinstance(source.parents.get(node), ast.JoinedStr | ast.FormattedValue):
        return  # the text around it has a node of its own
    code = source.code(node)
    if is_documentation(source, node) or len(code) > _LONGEST:
        return
    start = source.span(node)[0]
    for first, last, new in itertools.islice(_exchanges(code), _MOST):
        begin = start + len(code[:first].encode("utf-8", "surrogatepass"))
        end = begin + len(code[first:last].encode("utf-8", "surrogatepass"))
        yield Edit(start=begin, end=end, text=new, kind=f"{code[first:last]!r} to {new!r}")


def _is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def _exchanges(code: str) -> Iterator[tuple[int, int, str]]:
    """Spans of a text as it stands in the file, each with what may stand there."""
    kinds = [*_ANYWHERE]
    if len(code) <= _SHORT:
        kinds += _IN_SHORT
    if _EXPRESSION.search(code):
        kinds += _IN_EXPRESSIONS
    for pattern, others in kinds:
        for found in pattern.finditer(code):
            for new in others(found):
                first, last = found.span()
                if "\\" not in new or _is_sound(f"{code[:first]}{new}{code[last:]}"):
                    yield first, last, new


def _is_sound(literal: str) -> bool:
    """True for a literal whose escapes Python knows: others give a warning, which may be an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            ast.parse(literal, mode="eval")
        except (SyntaxError, ValueError):
            return False
    return True


def _neighbours(found: re.Match[str]) -> tuple[str, ...]:
    number = int(found[0])
    return tuple(str(item) for item in (number - 1, number + 1) if item >= 0)


def _swapped_case(found: re.Match[str]) -> tuple[str, ...]:
    return (found[0].swapcase(),)


def _counterpart(found: re.Match[str]) -> tuple[str, ...]:
    return _COUNTERPARTS[found[0]]


def _repeated(found: re.Match[str]) -> tuple[str, ...]:
    """The other way to repeat, and the one that takes as little as it can."""
    return ("*" if found[0] == "+" else "+", found[0] + "?")


def _put(text: str) -> _Others:
    return lambda _found: (text,)


_COUNTERPARTS = {
    "<": (">", "^"),
    ">": ("<", "^"),
    "^": ("<", ">"),
    "+": ("-",),
    "-": ("+",),
    "%d": ("%s",),
    "%s": ("%d", "%r"),
    r"\d": (r"\w", r"\D"),
    r"\w": (r"\d", r"\W", r"\S"),
    r"\s": (r"\S", r"\b"),
    r"\b": (r"\B",),
    r"\D": (r"\d",),
    r"\W": (r"\w",),
    r"\S": (r"\s", r"\w"),
    r"\B": (r"\b",),
}
_Kinds = tuple[tuple[re.Pattern[str], _Others], ...]
_ANYWHERE: _Kinds = (
    (re.compile(r"(?<=\\)\d|(?<=\\g<)\d|(?<=\{)\d(?=[}:!])"), _neighbours),
    (re.compile(r"[<>](?=[\d%{}])|(?<=:)[<>^]|(?<=:.)[<>^]"), _counterpart),
    (re.compile(r"(?<=:\.)\d|(?<=%\.)\d"), _neighbours),
    (re.compile(r"%[ds]"), _counterpart),
    (re.compile(r"(?<=%)[a-zA-Z]"), _swapped_case),
)
_IN_SHORT: _Kinds = ((re.compile(r"[<>+-]"), _counterpart),)
_IN_EXPRESSIONS: _Kinds = (
    (re.compile(r"(?<![(\\])[*+](?!\?)"), _repeated),
    (re.compile(r"(?<=[*+])\?"), _put("")),
    (re.compile(r"\\[dDwWsSbB]"), _counterpart),
    (re.compile(r"(?<=['\"])\^|\$(?=['\"]$)"), _put("")),
    (re.compile(r"(?<=[^$])(?=['\"]$)"), _put("$")),
    (re.compile(r"(?<=['\"])(?![\^'\"])"), _put("^")),
    (re.compile(r"(?<![\\\])\w])\.(?![*+?])"), _put(r"\.")),
)
