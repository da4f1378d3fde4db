"""Reads Python source with `ast`, without executing it: definitions, imports, signatures.

Text that does not parse has no definitions.
"""

from __future__ import annotations

import ast
import builtins
import io
import textwrap
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
DefinitionNode = FunctionNode | ast.ClassDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A name that a module takes from another one."""

    module: str
    """Absolute dotted name; relative imports keep their dots (`.pricing`)."""
    name: str
    """The name inside `module`; empty for `import module`."""
    alias: str
    """The name that the importing module uses."""


def parse_python(source: str) -> ast.Module | None:
    """The syntax tree, or None for text that is not Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dubious escapes in the user's code are not our business
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def syntax_problem(source: str) -> str:
    """The syntax error with its line; empty for valid Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(source)
        except SyntaxError as err:
            return f"line {err.lineno}: {err.msg}"
        except (ValueError, RecursionError, MemoryError) as err:
            return str(err) or type(err).__name__
    return ""


def definitions(source: str) -> dict[str, DefinitionNode]:
    """Functions, classes and methods by qualified name (`Order.net`), in source order.

    Definitions inside functions do not count; those inside `if` and `try` do.
    """
    tree = parse_python(source)
    return {} if tree is None else dict(_definitions(tree.body, ""))


def definition_counts(node: ast.Module | ast.ClassDef) -> Counter[str]:
    """Number of definitions of each qualified name: a property with a setter has two."""
    return Counter(name for name, _ in _definitions(node.body, ""))


def bound_names(source: str) -> frozenset[str]:
    """Every name that the module binds at its top level, imports and assignments included."""
    tree = parse_python(source)
    return frozenset() if tree is None else names_bound_in(tree.body)


def names_bound_in(body: Sequence[ast.stmt]) -> frozenset[str]:
    """Every name that the statements of a module or a class bind in its own scope."""
    names: set[str] = set()
    for node in _top_level(body):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Import() | ast.ImportFrom():
                names.update((item.asname or item.name).split(".")[0] for item in node.names)
            case ast.Assign():
                names.update(_assigned(node.targets))
            case ast.AnnAssign() | ast.AugAssign():
                names.update(_assigned([node.target]))
            case _:
                pass
    return frozenset(names)


def imports(source: str) -> tuple[Imported, ...]:
    """All imports of the module, nested ones included, in source order."""
    tree = parse_python(source)
    found: list[Imported] = []
    for node in ast.walk(tree) if tree is not None else ():
        match node:
            case ast.Import():
                found += [_plain_import(item) for item in node.names]
            case ast.ImportFrom():
                module = "." * node.level + (node.module or "")
                found += [
                    Imported(module=module, name=item.name, alias=item.asname or item.name)
                    for item in node.names
                ]
            case _:
                pass
    return tuple(found)


def find_function(source: str, name: str) -> FunctionNode | None:
    """The function or method with this plain or qualified name; the last one if there are more."""
    found = None
    for qualified, node in definitions(source).items():
        is_named = qualified == name or qualified.rpartition(".")[2] == name
        if is_named and not isinstance(node, ast.ClassDef):
            found = node
    return found


def source_lines(source: str) -> list[str]:
    """The lines as Python's parser counts them, each with its end.

    `str.splitlines` also ends a line at a form feed, U+2028 and others, within a text as well.
    """
    return io.StringIO(source, newline="").readlines()


def first_line(node: DefinitionNode) -> int:
    """The number of a definition's first line, decorators included, from 1."""
    return min([node.lineno, *(item.lineno for item in node.decorator_list)])


def head_of(source: str, node: FunctionNode) -> str:
    """The lines of a function above its code, the docstring included, without its indent; empty for one of a single line."""
    body = node.body[0]
    last = (body.end_lineno or body.lineno) if _is_docstring(body) else body.lineno - 1
    if body.lineno <= node.lineno:
        return ""
    lines = [line.rstrip("\r\n") for line in source_lines(source)[first_line(node) - 1 : last]]
    return textwrap.dedent("\n".join(lines)).rstrip()


def source_of(source: str, node: DefinitionNode) -> str:
    """The lines of a definition, decorators included."""
    lines = source_lines(source)[first_line(node) - 1 : node.end_lineno]
    return "\n".join(line.rstrip("\r\n") for line in lines)


def without_nodes(source: str, nodes: Collection[DefinitionNode]) -> str:
    """The source without some of its definitions, their decorators and the blank lines above them."""
    lines: list[str | None] = [*source_lines(source)]
    for node in nodes:
        first = first_line(node) - 1
        while first and not (lines[first - 1] or "").strip():
            first -= 1
        last = node.end_lineno or node.lineno
        lines[first:last] = [None] * (last - first)
    return "".join(line for line in lines if line is not None).rstrip("\n") + "\n"


def signatures(source: str) -> tuple[str, ...]:
    """One line for each public function, class and method: `Order.add(sku, quantity)`."""
    lines = []
    for name, node in definitions(source).items():
        private = any(part.startswith("_") for part in name.split(".") if part != "__init__")
        if isinstance(node, ast.ClassDef) and not private:
            lines.append(f"class {name}")
        elif not private and not isinstance(node, ast.ClassDef):
            lines.append(f"{name}({_arguments(node, is_method='.' in name)}){_returns(node)}")
    return tuple(lines)


def is_stub(node: DefinitionNode) -> bool:
    """True if the body does nothing: `...`, `pass` or `raise NotImplementedError`."""
    body = [item for item in node.body if not _is_docstring(item)]
    return all(_is_placeholder(item) for item in body)


def _definitions(body: Sequence[ast.stmt], prefix: str) -> Iterator[tuple[str, DefinitionNode]]:
    for node in _top_level(body):
        if isinstance(node, DefinitionNode):
            yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _definitions(node.body, f"{prefix}{node.name}.")


def _top_level(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body, with those inside `if`, `try` and `with` in place."""
    for node in body:
        match node:
            case ast.If():
                yield from _top_level([*node.body, *node.orelse])
            case ast.Try():
                handlers = [item for handler in node.handlers for item in handler.body]
                yield from _top_level([*node.body, *handlers, *node.orelse, *node.finalbody])
            case ast.With():
                yield from _top_level(node.body)
            case _:
                yield node


def _assigned(targets: Sequence[ast.expr]) -> Iterator[str]:
    for target in targets:
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                yield node.id


def _plain_import(item: ast.alias) -> Imported:
    if item.asname:
        return Imported(module=item.name, name="", alias=item.asname)
    return Imported(module=item.name, name="", alias=item.name)


def _arguments(node: FunctionNode, *, is_method: bool) -> str:
    text = ast.unparse(node.args)
    if is_method:
        text = text.removeprefix("self, ").removeprefix("cls, ")
        text = "" if text in ("self", "cls") else text
    return text


def _returns(node: FunctionNode) -> str:
    return "" if node.returns is None else f" -> {ast.unparse(node.returns)}"


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_placeholder(node: ast.stmt) -> bool:
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant(value=builtins.Ellipsis)):
            return True
        case ast.Raise(exc=ast.Name(id=name) | ast.Call(func=ast.Name(id=name))):
            return name == "NotImplementedError"
        case _:
            return False
