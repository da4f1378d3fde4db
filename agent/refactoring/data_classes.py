"""Plans to make a class a data class: its `__init__`, which only keeps what it is given, becomes fields."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence

from agent.editing.byte_places import BytePlaces
from agent.editing.heads import with_imports
from agent.editing.python_source import bound_names, definitions, parse_python
from agent.editing.splicing import TextSplice, spliced
from agent.fixing.sources import Sources
from agent.refactoring.planned import Refactored, RefactoringError

_MADE_ANEW = {"[]": "list", "{}": "dict"}
"""Defaults that every object needs for itself."""
_PLAIN_DEFAULTS = (ast.Constant, ast.UnaryOp)
_TAKEN = frozenset({"dataclass", "field", "Any"})
"""Names that the new lines use, each for one thing."""


def made_data_class(
    name: str, path: str, sources: Sources, *, without: Collection[str] = ()
) -> Refactored:
    """The file after a class has become a data class; its methods `without` go, since the decorator makes them.

    A field has the annotation of its argument, else the type of its default, else `Any`.

    Raises:
        RefactoringError: If it is no class, is decorated, or its `__init__` does more than to keep its arguments.
    """
    text = sources.text(path) or ""
    tree, place = parse_python(text), BytePlaces(text)
    fits = [n for q, n in definitions(text).items() if name in (q, q.rpartition(".")[2])]
    node = fits[0] if len(fits) == 1 else None
    if tree is None or not isinstance(node, ast.ClassDef):
        raise RefactoringError(f"{name} is no class, or there are several")
    _check_plain(node)
    methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
    init = methods.get("__init__")
    if init is None:
        raise RefactoringError(f"{name} has no __init__")
    _check_init(init, text)
    fields = [*_fields(init, text)]
    if _known(tree) != _TAKEN & bound_names(text):
        raise RefactoringError(f"dataclass, field or Any is something else in {path}")
    kept = {line.partition(":")[0] for line in fields}
    if kept & (methods.keys() | _TAKEN | _named_in(init)):
        raise RefactoringError(f"{name} has something else of the name of a field")
    indent = " " * init.col_offset
    lines = "".join(f"{indent}{line}\n" for line in fields)
    begin = place.offset(node.lineno, 0)
    mark = f"{' ' * node.col_offset}@dataclass\n"
    gone = [each for key, each in methods.items() if key in without and key != "__init__"]
    needed = [*_needed(fields, _known(tree))]
    splices = [
        *([with_imports(tree, place, needed)] if needed else []),
        TextSplice(start=begin, end=begin, text=mark.encode()),
        TextSplice(start=_whole(init, place)[0], end=_whole(init, place)[1], text=lines.encode()),
        *(_without(each, place) for each in gone),
    ]
    after = spliced(place.data, splices)
    if parse_python(after) is None:
        raise RefactoringError(f"{path} would not be right with {name} as a data class")
    names = frozenset({"__init__", *(each.name for each in gone)})
    return Refactored(texts={path: after}, before={path: text}, names=names)


def _check_plain(node: ast.ClassDef) -> None:
    """Raises RefactoringError unless a class has no bases, no decorators, and nothing but methods."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    plain = all(isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) for each in body)
    bases = [ast.unparse(base) for base in node.bases]
    if node.decorator_list or node.keywords or set(bases) - {"object"} or not plain:
        raise RefactoringError(f"{node.name} has bases, decorators or names of its own")


def _check_init(init: ast.FunctionDef, text: str) -> None:
    """Raises RefactoringError where something beside the statements of `__init__` would be lost."""
    lines = text.split("\n")[init.lineno - 1 : init.end_lineno]
    if init.decorator_list or ast.get_docstring(init) is not None or any("#" in x for x in lines):
        raise RefactoringError("__init__ has a decorator, a docstring or a comment")


def _named_in(init: ast.FunctionDef) -> frozenset[str]:
    """Every name in the annotations and defaults of `__init__`."""
    arguments = init.args
    said = [*arguments.defaults, *(a.annotation for a in arguments.args if a.annotation)]
    said += [each.annotation for each in init.body if isinstance(each, ast.AnnAssign)]
    return frozenset(
        node.id for each in said for node in ast.walk(each) if isinstance(node, ast.Name)
    )


def _known(tree: ast.Module) -> frozenset[str]:
    """The names of ours that a file imports from where they belong."""
    return frozenset(
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module in ("dataclasses", "typing")
        for alias in node.names
        if alias.name in _TAKEN and alias.asname in (None, alias.name)
    )


def _fields(init: ast.FunctionDef, text: str) -> Iterator[str]:
    """The lines of the fields.

    Raises:
        RefactoringError: If `__init__` takes or does what no fields say.
    """
    arguments = init.args
    if not arguments.args:
        raise RefactoringError("__init__ takes nothing, not even self")
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs:
        raise RefactoringError("__init__ takes more than plain arguments")
    own, *taken = arguments.args
    defaults: list[ast.expr | None] = [None] * (len(taken) - len(arguments.defaults))
    defaults += arguments.defaults
    kept = [_kept(statement, own.arg) for statement in init.body]
    first = {attribute: value for attribute, value, _ in kept}
    for argument, default in zip(taken, defaults, strict=True):
        value = first.pop(argument.arg, None)
        if not (isinstance(value, ast.Name) and value.id == argument.arg):
            raise RefactoringError(f"__init__ does more with {argument.arg} than to keep it")
        hint = argument.annotation or next(
            (each for attribute, _, each in kept if attribute == argument.arg and each), None
        )
        yield _line(argument.arg, hint, default, text, init=True)
    for attribute, value, hint in kept:
        if attribute in first:
            if not isinstance(value, ast.Constant | ast.List | ast.Dict):
                raise RefactoringError(f"__init__ makes {attribute} of something else")
            yield _line(attribute, hint, value, text, init=False)


def _kept(statement: ast.stmt, own: str) -> tuple[str, ast.expr, ast.expr | None]:
    """The attribute that a statement sets, its value, and its annotation."""
    match statement:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=holder), attr=name)], value=value):
            hint = None
        case ast.AnnAssign(
            target=ast.Attribute(value=ast.Name(id=holder), attr=name),
            annotation=hint,
            value=ast.expr() as value,
        ):
            pass
        case _:
            raise RefactoringError("__init__ does more than to keep its arguments")
    if holder != own:
        raise RefactoringError("__init__ does more than to keep its arguments")
    return name, value, hint


def _line(
    name: str, hint: ast.expr | None, default: ast.expr | None, text: str, *, init: bool
) -> str:
    """The line of one field.

    Raises:
        RefactoringError: If its default is no plain value.
    """
    kind = (ast.get_source_segment(text, hint) if hint is not None else None) or _kind_of(default)
    if default is None:
        return f"{name}: {kind}"
    said = ast.get_source_segment(text, default) or ""
    if said in _MADE_ANEW:
        value = f"default_factory={_MADE_ANEW[said]}"
    elif isinstance(default, _PLAIN_DEFAULTS):
        value = f"default={said}"
    else:
        raise RefactoringError(f"the default of {name} is no plain value")
    if init and said not in _MADE_ANEW:
        return f"{name}: {kind} = {said}"
    return f"{name}: {kind} = field({value}{'' if init else ', init=False'})"


def _kind_of(default: ast.expr | None) -> str:
    match default:
        case ast.Constant(value=bool() | int() | float() | str() | bytes() as value):
            return type(value).__name__
        case ast.List():
            return "list"
        case ast.Dict():
            return "dict"
        case _:
            return "Any"


def _needed(fields: Sequence[str], known: Collection[str]) -> Iterator[str]:
    """The imports that a file lacks."""
    names = ["dataclass", *(["field"] if any("= field(" in line for line in fields) else [])]
    if wanted := [name for name in names if name not in known]:
        yield f"from dataclasses import {', '.join(wanted)}"
    if "Any" not in known and any(": Any" in line for line in fields):
        yield "from typing import Any"


def _whole(node: ast.FunctionDef, place: BytePlaces) -> tuple[int, int]:
    """The lines of a function, its decorators included."""
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    return place.offset(first, 0), place.offset((node.end_lineno or node.lineno) + 1, 0)


def _without(node: ast.FunctionDef, place: BytePlaces) -> TextSplice:
    """Nothing in the place of a method and of the blank lines above it."""
    start, end = _whole(node, place)
    while place.data[:start].endswith(b"\n\n"):
        start -= 1
    return TextSplice(start=start, end=end, text=b"")
