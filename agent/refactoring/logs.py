"""Plans to let a file log what it prints: each `print` becomes a call of the file's logger."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from agent.editing.byte_places import BytePlaces
from agent.editing.heads import below_imports, with_imports
from agent.editing.python_source import bound_names, parse_python
from agent.editing.splicing import TextSplice, spliced
from agent.fixing.sources import Sources
from agent.refactoring.binding import names_bound_by
from agent.refactoring.planned import Refactored, RefactoringError


def made_logged(path: str, sources: Sources) -> Refactored:
    """The file with calls of a logger in the place of all its prints: `warning` where an exception is handled, else `info`.

    Raises:
        RefactoringError: If it prints nothing, or a print has options, or is used as a value.
    """
    text = sources.text(path) or ""
    tree, place = parse_python(text), BytePlaces(text)
    if tree is None:
        raise RefactoringError(f"{path} is no Python that can be read")
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    prints = [node for node in ast.walk(tree) if _is_print(node)]
    logger = _logger_of(tree)
    name = logger or "logger"
    _check(tree, text, prints, name, is_new=not logger)
    splices = []
    if not logger:
        splices.append(below_imports(tree, place, [f"{name} = logging.getLogger(__name__)"]))
        if "logging" not in bound_names(text):
            splices.insert(0, with_imports(tree, place, ["import logging"]))
    splices += [_logged(node, name, parents, text, place) for node in prints]
    after = spliced(place.data, splices)
    if parse_python(after) is None:
        raise RefactoringError(f"{path} would not be right with a logger")
    return Refactored(texts={path: after}, before={path: text})


def _check(tree: ast.Module, text: str, prints: list[ast.AST], name: str, *, is_new: bool) -> None:
    """Raises RefactoringError where a logger would say something else, or nothing, or is not what it seems."""
    if not prints:
        raise RefactoringError("nothing is printed")
    if "__main__" in text or ">>>" in text:
        raise RefactoringError("it is a script, or its examples show what it prints")
    bound = [each for node in ast.walk(tree) for each in names_bound_by(node)]
    if "print" in bound or bound.count(name) > (0 if is_new else 1):
        raise RefactoringError(f"print or {name} is something of its own here")
    head = [node for node in tree.body if isinstance(node, ast.Import)]
    known = any(each.name == "logging" and not each.asname for node in head for each in node.names)
    if ("logging" in bound) != known or bound.count("logging") > 1:
        raise RefactoringError("logging is something else here")
    inside = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    if any(node not in inside for node in prints):
        raise RefactoringError("something is printed while the file is loaded")
    body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    code = [node.lineno for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
    first = min(code, default=0)
    late = [n.lineno for n in head if any(each.name == "logging" for each in n.names)]
    if is_new and first and any(line > first for line in late):
        raise RefactoringError("logging is imported behind other code")


def _is_print(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    )


def _logger_of(tree: ast.Module) -> str:
    """The name of the file's own logger; empty without one."""
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(
                    func=ast.Attribute(attr="getLogger"), args=[ast.Name(id="__name__")]
                ),
            ):
                return name
    return ""


def _logged(
    node: ast.AST, logger: str, parents: Mapping[ast.AST, ast.AST], text: str, place: BytePlaces
) -> TextSplice:
    assert isinstance(node, ast.Call)  # noqa: S101 - only calls of print come here
    if not isinstance(parents.get(node), ast.Expr) or node.keywords or not node.args:
        raise RefactoringError("a print has options, says nothing, or is used as a value")
    if any(isinstance(each, ast.Starred) for each in node.args) or node.lineno != node.end_lineno:
        raise RefactoringError("a print spreads what it says, or stands on several lines")
    level = (
        "warning"
        if any(isinstance(each, ast.ExceptHandler) for each in _around(node, parents))
        else "info"
    )
    said = [ast.get_source_segment(text, each) or "" for each in node.args]
    first = node.args[0]
    is_text = isinstance(first, ast.JoinedStr) or (
        isinstance(first, ast.Constant) and isinstance(first.value, str)
    )
    if len(said) > 1 or not is_text:
        said = ['"' + " ".join(["%s"] * len(said)) + '"', *said]
    start, end = place.of(node)
    return TextSplice(start=start, end=end, text=f"{logger}.{level}({', '.join(said)})".encode())


def _around(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    """The nodes around one, up to its function."""
    holder = parents.get(node)
    while holder is not None and not isinstance(holder, ast.FunctionDef | ast.AsyncFunctionDef):
        yield holder
        holder = parents.get(holder)
