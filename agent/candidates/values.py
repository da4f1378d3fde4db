"""Edits of values: constants, names in scope, attributes, and methods with a near relative."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence

from agent.candidates.source import Edit, ParsedFile, is_huge
from agent.candidates.vocabulary import Vocabulary

_MOST_CONSTANTS = 10
_MOST_NEAR = 5
_MOST_NAMES = 8
_MOST_OTHERS = 4
_USUAL_NUMBERS = (2, 3, 4, 5, 7, 8, 10, 12, 16, 24, 30, 32, 60, 64, 100, 365, 1000, 1024)
_MARKS = ",;: \t\n-_/.|&="
"""Characters that people put between things."""
_RELATIVES = (
    ("lower", "upper", "title", "capitalize", "casefold"),
    ("append", "extend", "insert"),
    ("strip", "lstrip", "rstrip"),
    ("startswith", "endswith"),
    ("split", "rsplit", "splitlines"),
    ("find", "rfind", "index"),
    ("ljust", "rjust", "center"),
    ("partition", "rpartition"),
    ("keys", "values", "items"),
    ("min", "max"),
    ("any", "all"),
    ("floor", "ceil", "trunc"),
    ("union", "intersection", "difference"),
    ("add", "discard", "update"),
    ("get", "pop", "setdefault"),
    ("match", "search", "fullmatch"),
    ("encode", "decode"),
    ("sum", "len", "max"),
    ("int", "float", "round"),
    ("list", "tuple", "set", "sorted"),
    ("sorted", "reversed"),
    ("isdigit", "isalpha", "isalnum", "isspace"),
    ("islower", "isupper"),
    ("removeprefix", "removesuffix"),
    ("popleft", "pop"),
    ("read", "readline", "readlines"),
    ("zip", "zip_longest"),
    ("isinstance", "issubclass"),
)


def near_values(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """The other truth value, and numbers that stand next to one."""
    match node:
        case ast.Constant(value=bool() as flag):
            yield source.replace(node, str(not flag), f"{flag} to {not flag}")
        case ast.Constant(value=int() | float() as number) if not is_huge(number):
            near = [
                item for item in _near(number) if not isinstance(number, int) or item == int(item)
            ]
            yield from _numbers(source, node, number, [repr(type(number)(item)) for item in near])
        case _:
            return


def far_values(source: ParsedFile, node: ast.AST, vocabulary: Vocabulary) -> Iterator[Edit]:
    """Numbers and texts of the project, and usual ones, in the place of one constant; one more item."""
    match node:
        case ast.Constant(value=bool()):
            return
        case ast.Constant(value=int() | float() as number) if not is_huge(number):
            usual = map(repr, _USUAL_NUMBERS if isinstance(number, int) else ())
            far = [*vocabulary.numbers[:_MOST_CONSTANTS], *usual]
            yield from _numbers(source, node, number, far)
        case ast.Constant(value=str() as text) if not is_documentation(source, node):
            yield from _other_texts(source, node, text, vocabulary)
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items) if items:
            yield from _one_more(source, items, vocabulary)
        case ast.List(elts=[]):
            yield source.replace(node, "[[]]", "[] to [[]]")
        case _:
            return


def name_edits(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """Other names and attributes in the place of one."""
    match node:
        case ast.Name(ctx=ast.Load(), id=name):
            edits = _other_names(source, node, name)
        case ast.Attribute(value=value, attr=name, ctx=ast.Load()):
            edits = _other_attributes(source, node, value, name)
        case _:
            return
    others = _keys_beside(source, node)
    yield from (edit for edit in edits if edit.text not in others)


def _keys_beside(source: ParsedFile, node: ast.AST) -> frozenset[str]:
    """The other keys of a dict display of which a node is one: twice the same key hides an entry."""
    match source.parents.get(node):
        case ast.Dict(keys=keys) if node in keys:
            return frozenset(source.code(key) for key in keys if key is not None)
        case _:
            return frozenset()


def _near(number: float) -> list[float]:
    return [number + 1, number - 1, -number, 0, 1, number * 10, number / 10, number * 2]


def _numbers(
    source: ParsedFile, node: ast.Constant, number: float, texts: Sequence[str]
) -> Iterator[Edit]:
    for text in dict.fromkeys(texts):
        if text != repr(number):
            yield source.replace(node, text, f"{number!r} to {text}")


def _other_texts(
    source: ParsedFile, node: ast.Constant, text: str, vocabulary: Vocabulary
) -> Iterator[Edit]:
    quote = source.between(*source.span(node))[:1]
    if quote not in ("'", '"'):
        return  # a part of an f-string, or a string with a prefix
    near = [text + " ", text.strip(), text.lower(), text.upper(), "", text + "s", text[:-1]]
    if len(text) == 1 and not text.isalnum():
        near += list(_MARKS)
    alike = [other for other in vocabulary.texts if _alike(ast.literal_eval(other), text)]
    for other in dict.fromkeys([*map(repr, near), *alike[:_MOST_CONSTANTS]]):
        if other != repr(text):
            new = _quoted(ast.literal_eval(other), quote)
            yield source.replace(node, new, f"{text[:20]!r} to {other[:22]}")


def _one_more(
    source: ParsedFile, items: Sequence[ast.expr], vocabulary: Vocabulary
) -> Iterator[Edit]:
    """Another constant behind constants of the same type."""
    there = [item.value for item in items if isinstance(item, ast.Constant)]
    if len(there) < len(items):
        return
    last = there[-1]
    alike: Sequence[str] = ()
    if isinstance(last, str):
        alike = [word for word in vocabulary.texts if _alike(ast.literal_eval(word), last)]
    elif isinstance(last, int | float) and not isinstance(last, bool):
        alike = [*_continued(there), *vocabulary.numbers]
    end = source.span(items[-1])[1]
    others = [word for word in alike if ast.literal_eval(word) not in there]
    near = sorted(others, key=lambda word: _distance(source, items[0].lineno, word))
    for word in dict.fromkeys([*near[:_MOST_NEAR], *others[: _MOST_CONSTANTS - _MOST_NEAR]]):
        yield Edit(start=end, end=end, text=f", {word}", kind=f"{word[:20]} put in")


def _continued(numbers: Sequence[object]) -> list[str]:
    """The number that would follow two or more whole ones."""
    match numbers:
        case [*_, int(before), int(last)] if not is_huge(before) and not is_huge(last):
            return [repr(2 * last - before)]
        case _:
            return []


def _distance(source: ParsedFile, line: int, word: str) -> int:
    """Lines from one to the nearest on which the file has a constant."""
    return min((abs(place - line) for place in source.constants.get(word, ())), default=1_000_000)


def _quoted(text: str, quote: str) -> str:
    """A string literal with the quotes that the file uses there, where the text allows them."""
    plain = repr(text)
    return plain if quote in text or "\\'" in plain else f"{quote}{plain[1:-1]}{quote}"


def _alike(one: str, other: str) -> bool:
    """True if two texts may stand for each other: about as long, or one within the other."""
    near = abs(len(one) - len(other)) <= max(2, len(other) // 2)
    return near or (bool(one) and bool(other) and (one in other or other in one))


def is_documentation(source: ParsedFile, node: ast.AST) -> bool:
    return isinstance(source.parents.get(node), ast.Expr)


def _other_names(source: ParsedFile, node: ast.Name, name: str) -> Iterator[Edit]:
    called = _is_called(source, node)
    others = _relatives(name) if called else names_in_scope(source, node)[:_MOST_NAMES]
    for other in dict.fromkeys(others):
        if other != name:
            yield source.replace(node, other, f"{name} to {other}")


def _relatives(name: str) -> list[str]:
    """Names of functions and methods that people take for this one."""
    return [other for group in _RELATIVES if name in group for other in group]


def _is_called(source: ParsedFile, node: ast.AST) -> bool:
    parent = source.parents.get(node)
    return isinstance(parent, ast.Call) and parent.func is node


def names_in_scope(source: ParsedFile, node: ast.AST) -> list[str]:
    """Parameters and local variables around a node, those nearest to it first."""
    scope = source.scope(node)
    if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    line = getattr(node, "lineno", 0)
    found: dict[str, int] = {}
    arguments = scope.args
    for item in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        found.setdefault(item.arg, item.lineno)
    for inner in ast.walk(scope):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            found[inner.id] = inner.lineno
    return sorted(found, key=lambda name: abs(found[name] - line))


def _other_attributes(
    source: ParsedFile, node: ast.Attribute, value: ast.expr, name: str
) -> Iterator[Edit]:
    base = source.code(value)
    called = _is_called(source, node)
    others = _relatives(name)
    seen: Counter[str] = Counter()
    for inner in ast.walk(source.tree):
        if isinstance(inner, ast.Attribute) and _is_called(source, inner) == called:
            same = isinstance(inner.value, type(value)) and source.code(inner.value) == base
            if same:
                seen[inner.attr] += 1
    others += [other for other, _ in seen.most_common(_MOST_NAMES)]
    for other in dict.fromkeys(others):
        if other != name:
            yield source.replace(node, f"{base}.{other}", f".{name} to .{other}")


def part_edits(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """A part of a sequence that is handed on whole: all but one of its ends, or one item."""
    places = ast.Call | ast.For | ast.comprehension | ast.Return | ast.Assign
    parent = source.parents.get(node)
    if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(parent, places):
        return
    if _is_called(source, node) or not isinstance(node.ctx, ast.Load):
        return
    for part in ("[:-1]", "[1:]", "[0]", "[-1]"):
        yield source.replace(node, source.code(node) + part, f"{part} put in")


def offset_edits(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """One more and one less than a number that is counted, measured or compared."""
    numbers = ast.Name | ast.Attribute | ast.Call | ast.Subscript
    places = ast.Call | ast.Compare | ast.Slice | ast.Subscript | ast.Return | ast.Assign
    parent = source.parents.get(node)
    above = source.parents.get(parent) if isinstance(parent, ast.Tuple) else None
    indexed = isinstance(above, ast.Subscript) and above.slice is parent
    if not isinstance(node, numbers) or not (isinstance(parent, places) or indexed):
        return
    if _is_called(source, node) or isinstance(getattr(node, "ctx", None), ast.Store):
        return
    if isinstance(parent, ast.Subscript) and parent.value is node:
        return
    text = source.code(node)
    for offset in (" + 1", " - 1"):
        yield source.replace(node, text + offset, f"{text[:20]} to {text[:20]}{offset}")


def distance_edits(source: ParsedFile, node: ast.AST) -> Iterator[Edit]:
    """A variable that is handed on, less or more than another one."""
    parent = source.parents.get(node)
    if not isinstance(node, ast.Name) or not isinstance(parent, ast.Call | ast.Return | ast.Assign):
        return
    if _is_called(source, node) or not isinstance(node.ctx, ast.Load):
        return
    others = [name for name in names_in_scope(source, node) if name != node.id]
    for name in others[:_MOST_OTHERS]:
        for sign in ("-", "+"):
            yield source.replace(node, f"{node.id} {sign} {name}", f"{sign} {name} put in")
