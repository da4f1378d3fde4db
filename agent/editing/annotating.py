"""Takes from a reply only its docstrings, or only its type hints: the code stays to the last character.

A small model that is asked for docstrings or hints often changes the code beside them.
"""

from __future__ import annotations

import ast
import io
import textwrap
import tokenize
from collections.abc import Collection, Iterator

from agent.editing.byte_places import BytePlaces
from agent.editing.python_source import (
    DefinitionNode,
    FunctionNode,
    definition_counts,
    definitions,
    parse_python,
    source_lines,
)
from agent.editing.splicing import TextSplice, spliced


def with_docstrings_of(reply: str, before: str, *, names: Collection[str] = ()) -> str:
    """The text before with the docstrings of the reply, those of `names` alone if any are given.

    Names are qualified (`Cart.add`). A docstring that the reply does not have stays. One for a body on the line of its `def`, or with
    characters that no plain docstring can hold, is left out.
    """
    old, new = _single(before), _single(reply)
    place, tree, given = BytePlaces(before), parse_python(before), parse_python(reply)
    pairs: list[tuple[ast.Module | DefinitionNode, ast.Module | DefinitionNode]] = []
    if tree is not None and given is not None and not names:
        pairs.append((tree, given))
    pairs += [
        (old[name], new[name]) for name in old if name in new and (not names or name in names)
    ]
    splices = (_docstring(mine, theirs, place) for mine, theirs in pairs)
    return spliced(place.data, [splice for splice in splices if splice is not None])


def with_docstring(before: str, name: str, said: str) -> str:
    """The text before with one docstring, given a definition's qualified name and the words."""
    old, place = _single(before), BytePlaces(before)
    splice = _described(old[name], said, place) if name in old else None
    return spliced(place.data, [splice] if splice is not None else [])


def with_hints_of(reply: str, before: str, *, names: Collection[str] = ()) -> str:
    """The text before with the annotations of the reply's functions, those of `names` alone if any are given.

    Names are qualified (`Cart.add`). A hint that the reply does not have stays, and so do variables.
    """
    old, new = _single(before), _single(reply)
    place, splices = BytePlaces(before), list[TextSplice]()
    ends = dict(_ends_of_arguments(before)) if old else {}
    for name, mine in old.items():
        theirs = new.get(name)
        if not isinstance(mine, FunctionNode) or not isinstance(theirs, FunctionNode):
            continue
        if not names or name in names:
            splices += _hints(mine, theirs, place)
            splices += _result(mine, theirs, place, ends.get(mine.lineno))
    return spliced(place.data, splices)


def headers_to_annotate(source: str, *, words: Collection[str] = ()) -> tuple[str, ...]:
    """The first lines of the functions that lack a type hint, as one line each, with `...` where one is missing.

    If `words` name some definitions, those and their methods alone. That `__init__` gives None goes without saying.
    """
    known = _single(source)
    named = {name for name in known if name.rpartition(".")[2] in words}
    headers = (
        (name, node, _with_dots(node))
        for name, node in known.items()
        if isinstance(node, FunctionNode) and (not named or named & {name, name.rpartition(".")[0]})
    )
    return tuple(
        f"{'' if name == node.name else name.rpartition('.')[0] + ': '}{header}"
        for name, node, header in headers
        if header and (node.name != "__init__" or ": ..." in header)
    )


def stubs_to_document(source: str, *, words: Collection[str] = ()) -> tuple[str, ...]:
    """The definitions without a docstring, each as its first line with a docstring of dots; methods in their class.

    If `words` name some definitions, those and their methods alone.
    """
    found: dict[str, list[str]] = {}
    known = _single(source)
    named = {name for name in known if name.rpartition(".")[2] in words}
    for name, node in known.items():
        holder, _, own = name.rpartition(".")
        if named and not named & {name, holder}:
            continue
        is_deep = "." in holder or (holder and isinstance(node, ast.ClassDef))
        if ast.get_docstring(node) is not None or is_deep or _is_special(own):
            continue
        copied = ast.parse(ast.unparse(node)).body[0]
        if not isinstance(copied, DefinitionNode):
            continue
        copied.body, copied.decorator_list = [ast.Expr(ast.Constant("..."))], []
        stub = ast.unparse(copied)
        if isinstance(node, ast.ClassDef):
            found.setdefault(name, [stub])
        elif holder:
            found.setdefault(holder, [f"class {holder}:"]).append(textwrap.indent(stub, "    "))
        else:
            found[name] = [stub]
    return tuple("\n\n".join(parts) for parts in found.values())


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _with_dots(node: FunctionNode) -> str:
    """The header of a function with dots for its missing hints; empty if none is missing."""
    copied = ast.parse(ast.unparse(node)).body[0]
    if not isinstance(copied, FunctionNode):
        return ""
    dots = ast.Constant(value=...)
    bare = [
        each
        for place, each in enumerate(_arguments(copied))
        if each.annotation is None and not (place == 0 and each.arg in ("self", "cls"))
    ]
    if not bare and copied.returns is not None:
        return ""
    for each in bare:
        each.annotation = dots
    copied.returns = copied.returns or dots
    copied.body, copied.decorator_list = [ast.Pass()], []
    return ast.unparse(copied).rpartition("\n")[0]


def _single(source: str) -> dict[str, DefinitionNode]:
    """The definitions without those of which there are several by one name, as a property and its setter."""
    tree = parse_python(source)
    counts = definition_counts(tree) if tree is not None else {}
    return {name: node for name, node in definitions(source).items() if counts.get(name) == 1}


def _docstring(
    mine: ast.Module | DefinitionNode, theirs: ast.Module | DefinitionNode, place: BytePlaces
) -> TextSplice | None:
    said = ast.get_docstring(theirs)
    return _described(mine, said, place) if said else None


def _described(
    mine: ast.Module | DefinitionNode, said: str, place: BytePlaces
) -> TextSplice | None:
    if said == ast.get_docstring(mine) or not mine.body:
        return None
    first = mine.body[0]
    decorators = first.decorator_list if isinstance(first, DefinitionNode) else []
    line = min([first.lineno, *(item.lineno for item in decorators)])
    indent = place.lines[line - 1][: first.col_offset].decode()
    above = place.lines[line - 2].rstrip() if line > 1 else b""
    if indent.strip() or above.endswith(b"\\"):  # the body begins on the line of its `def`
        return None
    text = _quoted(said, indent)
    if text is None:
        return None
    if ast.get_docstring(mine) is not None:
        start, end = place.of(first)
        return TextSplice(start=start, end=end, text=text.encode())
    at = place.offset(line, 0)
    gap = "\n" if isinstance(mine, (ast.Module, ast.ClassDef)) else ""
    return TextSplice(start=at, end=at, text=f"{indent}{text}\n{gap}".encode())


def _quoted(said: str, indent: str) -> str | None:
    """A docstring with its marks, at an indent; None if the plain marks cannot hold it."""
    if '"""' in said or "\\" in said or said.endswith('"'):
        return None
    if not all(character.isprintable() or character in "\n\t" for character in said):
        return None
    lines = said.split("\n")
    if len(lines) == 1:
        return f'"""{said}"""'
    rest = [f"{indent}{line}".rstrip() for line in lines[1:]]
    return "\n".join([f'"""{lines[0]}', *rest, f'{indent}"""'])


def _hints(mine: FunctionNode, theirs: FunctionNode, place: BytePlaces) -> Iterator[TextSplice]:
    given = {each.arg: each.annotation for each in _arguments(theirs)}
    defaults = {id(each): value for each, value in _with_defaults(mine)}
    for each in _arguments(mine):
        hint = given.get(each.arg)
        if hint is None or (each.annotation is not None and _same(hint, each.annotation)):
            continue
        start, end = place.of(each)
        yield TextSplice(start=start, end=end, text=f"{each.arg}: {ast.unparse(hint)}".encode())
        if value := defaults.get(id(each)):
            begin = place.of(value)[0]
            if place.data[end:begin] == b"=":
                yield TextSplice(start=end, end=begin, text=b" = ")


def _result(
    mine: FunctionNode, theirs: FunctionNode, place: BytePlaces, end: tuple[int, int] | None
) -> Iterator[TextSplice]:
    """The hint of the result; `end` is where the arguments end, as line and column in bytes."""
    if theirs.returns is None or end is None:
        return
    said = ast.unparse(theirs.returns)
    if mine.returns is not None:
        start, stop = place.of(mine.returns)
        if not _same(mine.returns, theirs.returns):
            yield TextSplice(start=start, end=stop, text=said.encode())
        return
    at = place.offset(*end)
    yield TextSplice(start=at, end=at, text=f" -> {said}".encode())


def _same(one: ast.expr, other: ast.expr) -> bool:
    return ast.dump(one) == ast.dump(other)


def _arguments(node: FunctionNode) -> list[ast.arg]:
    given = node.args
    alone = [each for each in (given.vararg, given.kwarg) if each is not None]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *alone]


def _with_defaults(node: FunctionNode) -> Iterator[tuple[ast.arg, ast.expr]]:
    given = node.args
    placed = [*given.posonlyargs, *given.args]
    yield from zip(placed[len(placed) - len(given.defaults) :], given.defaults, strict=True)
    for each, value in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        if value is not None:
            yield each, value


def _ends_of_arguments(source: str) -> Iterator[tuple[int, tuple[int, int]]]:
    """For the line of each `def`, the place behind its arguments, as line and column in bytes."""
    lines, line, depth = source_lines(source), 0, 0
    for token in tokenize.generate_tokens(io.StringIO(source, newline="").readline):
        if token.type == tokenize.NAME and token.string == "def" and not line:
            line, depth = token.start[0], 0
        elif line and token.type == tokenize.OP and token.string in "([{":
            depth += 1
        elif line and token.type == tokenize.OP and token.string in ")]}":
            depth -= 1
            if depth == 0 and token.string == ")":
                row, column = token.end
                yield line, (row, len(lines[row - 1][:column].encode()))
                line = 0
