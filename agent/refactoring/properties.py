"""Plans to make a method a property: its calls lose their parentheses, in all files."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from agent.editing.byte_places import BytePlaces
from agent.editing.python_source import definitions, parse_python
from agent.editing.splicing import TextSplice, spliced
from agent.fixing.sources import Sources
from agent.refactoring.planned import BUILT_IN, Refactored, RefactoringError


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
    if own in BUILT_IN:
        raise RefactoringError(f"objects of other kinds have a {own}, too")
    texts: dict[str, str] = {}
    for file in sorted(each for each in sources.files if each.endswith(".py")):
        code = sources.text(file) or ""
        same = [each for each in definitions(code) if each.rpartition(".")[2] == own]
        if same != (fits if file == path else []):
            raise RefactoringError(
                f"{own} is defined in {file}, too: which calls mean it is not clear"
            )
        tree, place = parse_python(code), BytePlaces(code)
        splices = [*_calls(tree, fits[0], place)] if tree is not None else []
        if file == path:
            begin = place.offset(node.lineno, 0)
            line = place.lines[node.lineno - 1]
            mark = line[: len(line) - len(line.lstrip())] + b"@property\n"
            splices.append(TextSplice(start=begin, end=begin, text=mark))
        if splices:
            texts[file] = spliced(place.data, splices)
    return Refactored(texts=texts, before={file: sources.text(file) or "" for file in texts})


def _calls(tree: ast.Module, method: str, place: BytePlaces) -> Iterator[TextSplice]:
    """The parentheses of the calls of a `Class.method` that are given nothing.

    Raises:
        RefactoringError: If a call gives it something, or it may be handed on without being called.
    """
    holder, _, name = method.rpartition(".")
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr != name:
            continue
        match parents.get(node):
            case ast.Call(func=func, args=[], keywords=[]) as call if func is node:
                yield TextSplice(start=place.of(node)[1], end=place.of(call)[1], text=b"")
            case ast.Call(func=func) if func is node:
                raise RefactoringError(f"a call of {name} gives it something")
            case parent if isinstance(node.value, ast.Name) and (
                isinstance(parent, _HANDS_ON) or node.value.id == holder
            ):
                raise RefactoringError(f"{name} may be handed on without being called")
            case _:
                continue


_HANDS_ON = (
    ast.Call,
    ast.keyword,
    ast.Assign,
    ast.AnnAssign,
    ast.Return,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Lambda,
)
