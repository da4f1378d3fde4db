"""List what may have been dropped: an operand, a factor, a part of a condition, a limit, a call with constants."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence

from agent.candidates.source import Edit, ParsedFile
from agent.candidates.values import names_in_scope
from agent.candidates.vocabulary import Vocabulary

_MOST_OPERANDS = 4
_MOST_FACTORS = 6
_MOST_PARTS = 3
_MOST_CALLS = 6
_MOST_MARKS = 2
_LONGEST_MARK = 2
_LONGEST_WRITTEN = 11
"""Characters of such a mark as Python writes it: `b"\\x00\\x01"`."""
_MOST_NUMBERS = 3
_NO_FACTORS = ("0", "1", "0.0", "1.0")
_USUAL_FACTORS = ("* 2", "** 2", "// 2")


def operand_edits(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """One more operand within a sum or behind it: an attribute of the class, or a variable."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add):
        return
    places = [source.span(node.left)[1]]
    if not isinstance(source.parents.get(node), ast.BinOp):
        places.append(source.span(node)[1])
    used = {source.code(item) for item in ast.walk(node) if isinstance(item, ast.expr)}
    names = [*_own_attributes(source, node), *names_in_scope(source, node)[:_MOST_OPERANDS]]
    for name in names:
        for place in places if name not in used else ():
            yield Edit(start=place, end=place, text=f" + {name}", kind=f"+ {name} put in")


def factor_edits(source: ParsedFile, node: ast.AST, vocabulary: Vocabulary) -> Iterator[Edit]:
    """A part of a sum, one side of a comparison or a result, times what the project multiplies with.

    Also times a number that stands near.
    """
    parent = source.parents.get(node)
    match node, parent:
        case ast.Name(ctx=ast.Load()) | ast.Attribute() | ast.Call() | ast.Subscript(), (
            ast.BinOp(op=ast.Add() | ast.Sub()) | ast.Compare() | ast.Return() | ast.AugAssign()
        ):
            pass
        case _:
            return
    if isinstance(parent, ast.AugAssign) and parent.value is not node:
        return
    code = source.code(node)
    numbers = [f"* {number}" for number in _numbers_near(source, node.lineno)[:_MOST_NUMBERS]]
    factors = [*vocabulary.factors[:_MOST_FACTORS], *numbers, *_USUAL_FACTORS]
    for factor in dict.fromkeys(factors):
        yield source.replace(node, f"{code} {factor}", f"{factor} put in")


def condition_edits(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """One more part of a condition: whether a variable is empty."""
    if not isinstance(node, ast.If | ast.While):
        return
    test = node.test
    used = {item.id for item in ast.walk(test) if isinstance(item, ast.Name)}
    others = [name for name in names_in_scope(source, node) if name not in used]
    code = source.code(test)
    held = f"({code})" if isinstance(test, ast.BoolOp | ast.IfExp | ast.NamedExpr) else code
    for name in others[:_MOST_PARTS]:
        for part in (f"or not {name}", f"and {name}"):
            yield source.replace(test, f"{held} {part}", f"{part} put in")


def limit_edits(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """The greater, or the smaller, of a variable's old and its new value."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            pass
        case _:
            return
    stores = (
        item
        for item in ast.walk(source.scope(node))
        if isinstance(item, ast.Name) and item.id == name and isinstance(item.ctx, ast.Store)
    )
    if sum(1 for _ in stores) > 1:
        for chosen in ("max", "min"):
            text = f"{chosen}({name}, {source.code(value)})"
            yield source.replace(value, text, f"{chosen}() put in")


def called_with_constants(
    source: ParsedFile, node: ast.AST, vocabulary: Vocabulary
) -> Iterator[Edit]:
    """A method with constants called behind a value: as the project does, or to strip a mark off."""
    match node:
        case ast.Return(value=ast.expr() as value) | ast.Assign(value=value):
            pass
        case _:
            return
    if not isinstance(value, ast.Name | ast.Call | ast.Attribute | ast.Subscript):
        return
    strips = [
        f".{kind}({mark})"
        for mark in _marks_near(source, value.lineno)[:_MOST_MARKS]
        for kind in ("rstrip", "lstrip", "strip")
    ]
    for call in dict.fromkeys([*vocabulary.calls[:_MOST_CALLS], *strips]):
        yield source.replace(value, f"{source.code(value)}{call}", f"{call[:24]} put in")


def _marks_near(source: ParsedFile, line: int) -> list[str]:
    """The texts of one or two characters in a file, the nearest to a line first."""
    return _near(source, line, [text for text in source.constants if _is_mark(text)])


def _numbers_near(source: ParsedFile, line: int) -> list[str]:
    """The numbers of a file, the nearest to a line first."""
    numbers = [text for text in source.constants if text[0].isdigit() and text not in _NO_FACTORS]
    return _near(source, line, numbers)


def _near(source: ParsedFile, line: int, texts: Sequence[str]) -> list[str]:
    distances = {text: min(abs(place - line) for place in source.constants[text]) for text in texts}
    return sorted(texts, key=lambda text: (distances[text], text))


def _is_mark(text: str) -> bool:
    """Tell whether a constant, as Python writes it, is a text of one or two characters."""
    if text[-1] not in "'\"" or len(text) > _LONGEST_WRITTEN:
        return False
    return 1 <= len(ast.literal_eval(text)) <= _LONGEST_MARK


def _own_attributes(source: ParsedFile, node: ast.AST) -> list[str]:
    """The attributes that the class around a node uses most, as `self.name`."""
    above = source.parents.get(node)
    while above is not None and not isinstance(above, ast.ClassDef):
        above = source.parents.get(above)
    if above is None:
        return []
    called = {item.func for item in ast.walk(above) if isinstance(item, ast.Call)}
    counts = Counter(
        source.code(item)
        for item in ast.walk(above)
        if isinstance(item, ast.Attribute)
        and isinstance(item.value, ast.Name)
        and item.value.id == "self"
        and item not in called
    )
    return [name for name, _ in counts.most_common(_MOST_OPERANDS)]
