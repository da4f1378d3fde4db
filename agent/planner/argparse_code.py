"""Reads the command line that a project makes with argparse: who adds to the parser, and who reads what was parsed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.editing.python_source import FunctionNode, definitions, first_line, head_of
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources

PARSED = frozenset(["args", "arguments", "namespace", "ns", "options", "opts", "parsed"])
"""Usual names of what was parsed."""
_ADDS = ("add_argument", "add_parser")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedStatement:
    """A statement that adds an argument or a command to a parser."""

    method: str
    """`add_argument` or `add_parser`."""
    receiver: str
    """The parser, or the group of commands, as it is written."""
    target: str
    """The variable that takes the outcome; empty for none."""
    names: tuple[str, ...]
    """The texts that it is given, such as `--month`."""
    first: int
    """Its first line, from 1."""
    last: int
    indent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """One file's command line."""

    path: str
    text: str
    parser: str
    """Name of the function that adds to the parser."""
    users: tuple[str, ...]
    """Names of the functions that read what was parsed; one that parses it, too, comes first and alone."""
    root: str
    """The variable of the parser itself; empty where it is not made in that function."""
    added: tuple[AddedStatement, ...]
    """The plain statements of that function, in the order of their lines."""
    given: frozenset[str]
    """Options and commands that exist, as they are typed, wherever the file adds them."""
    commands: frozenset[str]
    """The names of the commands among them."""
    has_handlers: bool
    """True if each command names the function that does it."""

    def up_to(self, statement: AddedStatement, *, target: str = "") -> str:
        """The function that adds to the parser, up to the end of a statement; `target` takes its outcome."""
        lines = self.text.split("\n")
        if target:
            line, indent = lines[statement.first - 1], statement.indent
            lines[statement.first - 1] = f"{indent}{target} = {line.removeprefix(indent)}"
        first = first_line(definitions(self.text)[self.parser])
        return "\n".join(lines[first - 1 : statement.last])

    def head_of(self, function: str) -> str:
        """The first lines of a function; empty for one of a single line."""
        node = definitions(self.text)[function]
        return "" if isinstance(node, ast.ClassDef) else head_of(self.text, node)


def command_line(sources: Sources) -> CommandLine | None:
    """The command line of a project; None if it has none or several. Reads files; blocks."""
    found = [each for path in sources.files if (each := _of_file(path, sources)) is not None]
    return found[0] if len(found) == 1 else None


def _of_file(path: str, sources: Sources) -> CommandLine | None:
    """The command line of a file; None if several functions add to a parser, or nobody reads what is parsed."""
    text = sources.text(path) if path.endswith(".py") and not is_test_path(path) else None
    if text is None or "add_argument(" not in text:
        return None
    functions = {
        name: node
        for name, node in definitions(text).items()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    lines = text.split("\n")
    adding = [name for name, node in functions.items() if any(_names_added(node))]
    reading = [name for name, node in functions.items() if _reads_parsed(node)]
    both = [name for name in reading if _has_attribute(functions[name], "parse_args")]
    if len(adding) != 1 or not reading:
        return None
    parser, named = adding[0], [*_names_added(functions[adding[0]])]
    return CommandLine(
        path=path,
        text=text,
        parser=parser,
        users=tuple(both if len(both) == 1 else reading),
        root=_parser_variable(functions[parser]),
        added=tuple(_added(functions[parser], lines)),
        given=frozenset(name for _, name in named),
        commands=frozenset(name for method, name in named if method == "add_parser"),
        has_handlers=_has_attribute(functions[parser], "set_defaults"),
    )


def _names_added(function: FunctionNode) -> Iterator[tuple[str, str]]:
    """The texts that calls anywhere in a function add to a parser, each with the name of the method."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _ADDS:
            for each in node.args:
                if isinstance(each, ast.Constant):
                    yield getattr(node.func, "attr", ""), str(each.value)


def _added(function: FunctionNode, lines: Sequence[str]) -> Iterator[AddedStatement]:
    """The statements of a function, one on a line of its own each, that add what is written out there."""
    for node in function.body:
        if not isinstance(node, ast.Expr | ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        call, before = node.value, lines[node.lineno - 1][: node.col_offset]
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in _ADDS:
            continue
        names = tuple(each.value for each in call.args if isinstance(each, ast.Constant))
        if names and not before.strip() and isinstance(call.func.value, ast.Name | ast.Attribute):
            yield AddedStatement(
                method=call.func.attr,
                receiver=ast.unparse(call.func.value),
                target=_variable(node.targets) if isinstance(node, ast.Assign) else "",
                names=tuple(map(str, names)),
                first=node.lineno,
                last=node.end_lineno or node.lineno,
                indent=before,
            )


def _parser_variable(function: FunctionNode) -> str:
    """The variable that takes a new parser."""
    for node in function.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made = node.value.func
            name = made.attr if isinstance(made, ast.Attribute) else getattr(made, "id", "")
            if name.endswith("ArgumentParser"):
                return _variable(node.targets)
    return ""


def _variable(targets: Sequence[ast.expr]) -> str:
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""


def _has_attribute(node: ast.AST, name: str) -> bool:
    return any(isinstance(each, ast.Attribute) and each.attr == name for each in ast.walk(node))


def _reads_parsed(function: FunctionNode) -> bool:
    return any(
        isinstance(each, ast.Attribute)
        and isinstance(each.value, ast.Name)
        and each.value.id in PARSED
        for each in ast.walk(function)
    )
