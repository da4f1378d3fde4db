"""Plans to make a method a property: its calls lose their parentheses, in all files."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from agent.editing.byte_places import BytePlaces
from agent.editing.python_source import definitions, parse_python
from agent.editing.splicing import TextSplice, spliced
from agent.fixing.sources import Sources
from agent.refactoring.planned import Refactored, RefactoringError


def made_property(name: str, path: str, sources: Sources) -> Refactored:
    """The files after a method, by its name or as `Class.method`, has become a property.

    Raises:
        RefactoringError: If it is no plain method, takes arguments, or its name means something else, too.
    """
    text, own = sources.text(path) or "", name.rpartition(".")[2]
    found = definitions(text)
    fits = [each for each in found if "." in each and name in (each, each.rpartition(".")[2])]
    node = found[fits[0]] if len(fits) == 1 else None
    if not isinstance(node, ast.FunctionDef):
        raise RefactoringError(f"{name} is no method, or there are several")
    arguments = node.args
    others = (arguments.posonlyargs, arguments.args[1:], arguments.kwonlyargs)
    if node.decorator_list or any(others) or arguments.vararg or arguments.kwarg:
        raise RefactoringError(f"{name} takes arguments or is decorated: it cannot be a property")
    texts: dict[str, str] = {}
    for file in sorted(each for each in sources.files if each.endswith(".py")):
        code = sources.text(file) or ""
        if file != path and any(each.rpartition(".")[2] == own for each in definitions(code)):
            raise RefactoringError(
                f"{own} is defined in {file}, too: which calls mean it is not clear"
            )
        tree, place = parse_python(code), BytePlaces(code)
        splices = [*_calls(tree, fits[0], place)] if tree is not None else []
        if file == path:
            begin = place.offset(node.lineno, 0)
            mark = b" " * node.col_offset + b"@property\n"
            splices.append(TextSplice(start=begin, end=begin, text=mark))
        if splices:
            texts[file] = spliced(place.data, splices)
    return Refactored(texts=texts, before={file: sources.text(file) or "" for file in texts})


def _calls(tree: ast.Module, method: str, place: BytePlaces) -> Iterator[TextSplice]:
    """The parentheses of the calls of a `Class.method` that are given nothing.

    Raises:
        RefactoringError: If a call gives it something, or the class's own function is handed on.
    """
    holder, _, name = method.rpartition(".")
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=attr) as func, args=[], keywords=[]) if (
                attr == name
            ):
                yield TextSplice(start=place.of(func)[1], end=place.of(node)[1], text=b"")
            case ast.Call(func=ast.Attribute(attr=attr)) if attr == name:
                raise RefactoringError(f"a call of {name} gives it something")
            case ast.Attribute(attr=attr, value=ast.Name(id=own)) if (own, attr) == (holder, name):
                raise RefactoringError(f"{method} is handed on without being called")
            case _:
                continue
