"""Plans to give a number or a text in code a name: a constant at the head of its file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from agent.editing.byte_places import BytePlaces
from agent.editing.heads import below_imports
from agent.editing.python_source import parse_python
from agent.editing.splicing import TextSplice, spliced
from agent.fixing.sources import Sources
from agent.refactoring.asked import AskedRefactoring
from agent.refactoring.planned import Refactored, RefactoringError

_TRIVIAL = (0, 1, "", True, False, None)
"""Values that stand for many things in one file: each place would have to be named."""
_CALLED = {
    "join": "SEPARATOR",
    "split": "SEPARATOR",
    "rsplit": "SEPARATOR",
    "partition": "SEPARATOR",
}
_BOUNDS = {"min": "MAX", "max": "MIN"}
_Parents = Mapping[ast.AST, ast.AST]


def made_constant(asked: AskedRefactoring, path: str, sources: Sources) -> Refactored:
    """The file in which a literal is a constant, everywhere in its functions or in the one that is named.

    `asked.old` is the literal, `asked.new` the constant's name, made of what the literal is for where it is
    empty; `asked.of` a function.

    Raises:
        RefactoringError: If the literal does not stand in the file's functions, or the name is taken.
    """
    text = sources.text(path) or ""
    tree, place = parse_python(text), BytePlaces(text)
    value = _value(asked.old)
    if tree is None:
        raise RefactoringError(f"{path} is no Python that can be read")
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = [*_places(tree, text, asked, value, parents)]
    if not found:
        where = f"{asked.of} of {path}" if asked.of else f"the functions of {path}"
        raise RefactoringError(f"{asked.old} does not stand in {where}")
    if value in _TRIVIAL and len(found) > 1 and not asked.of:
        raise RefactoringError(
            f"{asked.old} stands in {path} {len(found)} times: say in which function"
        )
    name = asked.new or _name_for(found[0], parents)
    if not name.isidentifier() or name in _every_name(tree):
        raise RefactoringError(f"{name} is there already in {path}, or no name that Python takes")
    literal = ast.get_source_segment(text, found[0]) or repr(value)
    splices = [_named(node, name, place) for node in found]
    splices.append(below_imports(tree, place, [f"{name} = {literal}"]))
    after = spliced(place.data, splices)
    if parse_python(after) is None:
        raise RefactoringError(f"{path} would not be right with {name}")
    return Refactored(texts={path: after}, before={path: text})


def file_of_literal(asked: AskedRefactoring, sources: Sources) -> str:
    """The file whose code is meant: the named one, that of the named function, or the only one with the literal.

    Raises:
        RefactoringError: If there is none, or several.
    """
    value = _value(asked.old)
    fits = []
    for path in sorted(each for each in sources.files if each.endswith(".py")):
        if asked.file and not (path == asked.file or path.endswith(f"/{asked.file}")):
            continue
        text = sources.text(path) or ""
        if (tree := parse_python(text)) is None:
            continue
        parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        if any(_places(tree, text, asked, value, parents)):
            fits.append(path)
    if len(fits) != 1:
        found = (
            f"stands in {', '.join(fits[:4])}: say in which" if fits else "stands in no function"
        )
        raise RefactoringError(f"{asked.old} {found}")
    return fits[0]


def _value(literal: str) -> object:
    try:
        return ast.literal_eval(literal)
    except (ValueError, SyntaxError) as err:
        raise RefactoringError(f"{literal} is no number and no text") from err


def _places(
    tree: ast.Module, text: str, asked: AskedRefactoring, value: object, parents: _Parents
) -> Iterator[ast.Constant]:
    """The places of a literal in code that runs when a function is called, and in defaults."""
    scopes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and asked.of.rpartition(".")[2] in ("", node.name)
    ]
    if asked.of and len(scopes) > 1:
        raise RefactoringError(f"there are several functions {asked.of}")
    seen = {
        node: None
        for scope in scopes
        for part in _running(scope)
        for node in ast.walk(part)
        if isinstance(node, ast.Constant)
        and type(node.value) is type(value)
        and node.value == value
    }
    for node in sorted(seen, key=lambda each: (each.lineno, each.col_offset)):
        if node.lineno != node.end_lineno:
            raise RefactoringError("the literal stands on several lines")
        if not _is_bound_to_stay(node, parents):
            yield node


def _running(scope: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """The parts of a function that run: its body and its defaults, no annotations and decorators."""
    yield from scope.body
    yield from (
        each for each in (*scope.args.defaults, *scope.args.kw_defaults) if each is not None
    )


def _is_bound_to_stay(node: ast.AST, parents: _Parents) -> bool:
    """True for a docstring, a part of a text, a pattern or an annotation: no name can stand there."""
    inner, holder = node, parents.get(node)
    if isinstance(holder, ast.Expr):
        return True
    while holder is not None and not isinstance(holder, ast.Module):
        if isinstance(holder, ast.JoinedStr | ast.pattern):
            return True
        annotations = (getattr(holder, "annotation", None), getattr(holder, "returns", None))
        if any(inner is each for each in annotations):
            return True
        inner, holder = holder, parents.get(holder)
    return False


def _every_name(tree: ast.Module) -> frozenset[str]:
    """All names that a file reads or binds anywhere; a star import may bind any, so there is no new one.

    Raises:
        RefactoringError: If there is a star import.
    """
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.alias) and node.name == "*":
            raise RefactoringError("a star import may bring any name")
        for key in ("id", "arg", "name", "asname", "attr"):
            if isinstance(said := getattr(node, key, None), str):
                found.add(said)
    return frozenset(found)


def _named(node: ast.Constant, name: str, place: BytePlaces) -> TextSplice:
    start, end = place.of(node)
    return TextSplice(start=start, end=end, text=name.encode())


def _name_for(node: ast.Constant, parents: _Parents) -> str:
    """A name made of what the literal is for: a bound, an argument, a separator; else of its function."""
    function = _function_of(node, parents)
    match parents.get(node):
        case ast.keyword(arg=str(argument)) | ast.Assign(targets=[ast.Name(id=argument)]):
            return _constant(argument)
        case ast.arguments() as arguments:
            return f"DEFAULT_{_constant(_defaulted(arguments, node))}"
        case ast.Call(func=ast.Name(id=called)) if called in _BOUNDS:
            return f"{_BOUNDS[called]}_{function}"
        case ast.Call(func=ast.Attribute(attr=called)) | ast.Attribute(attr=called) if (
            called in _CALLED
        ):
            return _CALLED[called]
        case holder:
            return f"{function}_{_role(holder, node)}"


def _role(holder: ast.AST | None, node: ast.Constant) -> str:
    """The last word of a name: what a literal is in its expression."""
    match holder:
        case ast.Compare():
            return "LIMIT"
        case ast.BinOp(op=ast.Mult() | ast.Div()):
            return "FACTOR"
        case _:
            return "TEXT" if isinstance(node.value, str) else "VALUE"


def _function_of(node: ast.AST, parents: _Parents) -> str:
    holder = parents.get(node)
    while holder is not None and not isinstance(holder, ast.FunctionDef | ast.AsyncFunctionDef):
        holder = parents.get(holder)
    return _constant(holder.name) if holder is not None else "THE"


def _defaulted(arguments: ast.arguments, node: ast.expr) -> str:
    """The argument of which a literal is the default."""
    plain = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(plain[len(plain) - len(arguments.defaults) :], arguments.defaults, strict=True)]
    pairs += [
        (arg, default)
        for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    ]
    return next((arg.arg for arg, default in pairs if default is node), "VALUE")


def _constant(name: str) -> str:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip("_"))
    return apart.upper() or "VALUE"
