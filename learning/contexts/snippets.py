"""Makes functions of examples: the lines that one call needs, with its plain data as arguments.

A `>>>` example is `frame = DataFrame([3, 1])`, then `frame.sort("a")`: a conversation with a prompt. As a
function of its data, with the call as its result, it has the form in which code is asked for.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_MOST_STATEMENTS = 10
_MOST_ARGUMENTS = 3
_LONGEST_LITERAL = 160
_MOST_LINES = 16
_CHANGING = ("add", "append", "set", "update", "insert", "fit", "create", "execute")
"""Beginnings of methods that change their object."""
_NAMES = ("values", "data", "items", "rows", "numbers", "texts")

Uses = Callable[[ast.AST], bool]
"""True for a syntax tree that uses the API in question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """One function that uses an API, and a call of it."""

    source: str
    """The module: imports, then the function."""
    function: str
    head: str
    """The function's first line."""
    call: str
    """The call with the data of the example."""
    result: str
    """The expression that it returns."""


def snippets_of(lines: Sequence[str], uses: Uses, *, function: str) -> Iterator[Snippet]:
    """A function for every statement of an example that uses the API.

    `lines` are the example's statements in order. A statement that cannot be a function's result, such as
    a loop, gives none.
    """
    statements = list(_statements(lines))
    for index, statement in enumerate(statements):
        if not uses(statement):
            continue
        result = _result(statement)
        if result is None:
            continue
        needed = _needed(statements[:index], result)
        if isinstance(statement, ast.Assign) and not uses(result):
            needed, result = [*needed, statement], _name_of(statement)
        if result is None or len(needed) > _MOST_STATEMENTS:
            continue
        if (made := _function(needed, result, function)) is not None:
            yield made


def _statements(lines: Sequence[str]) -> Iterator[ast.stmt]:
    for line in lines:
        try:
            yield from ast.parse(line).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue


def _result(statement: ast.stmt) -> ast.expr | None:
    """The expression that a statement is about; of an assertion what is compared first."""
    match statement:
        case ast.Expr(
            value=ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[value, *_])
        ) if name == "print" or name.startswith("assert"):
            return value
        case (
            ast.Expr(value=value)
            | ast.Assign(targets=[ast.Name()], value=value)
            | ast.Assert(test=ast.Compare(left=value))
        ):
            return value
        case _:
            return None


def _name_of(statement: ast.Assign) -> ast.expr | None:
    target = statement.targets[0]
    return ast.Name(id=target.id, ctx=ast.Load()) if isinstance(target, ast.Name) else None


def _needed(before: Sequence[ast.stmt], result: ast.expr) -> list[ast.stmt]:
    """The statements before that give or change a name that the result needs, in their order."""
    wanted, kept = _loaded(result), list[ast.stmt]()
    for statement in reversed(before):
        given = _given(statement)
        changes = isinstance(statement, ast.Expr | ast.For | ast.With | ast.AugAssign)
        touched = _loaded(statement) & wanted if changes and not _shows(statement) else set[str]()
        if given & wanted or touched:
            kept.append(_pruned(statement, wanted))
            if isinstance(statement, ast.Assign) and not _subscripted(statement):
                wanted -= given
            wanted |= _read(statement)
    return kept[::-1]


def _pruned(statement: ast.stmt, wanted: set[str]) -> ast.stmt:
    """An import without the names that nobody needs."""
    if not isinstance(statement, ast.Import | ast.ImportFrom):
        return statement
    pruned = copy.deepcopy(statement)
    pruned.names = [
        each for each in statement.names if (each.asname or each.name).partition(".")[0] in wanted
    ]
    return pruned


def _read(statement: ast.stmt) -> set[str]:
    """Names that a statement reads; those that it only stores are not needed before it."""
    nodes = (each for each in ast.walk(statement) if isinstance(each, ast.Name))
    return {each.id for each in nodes if isinstance(each.ctx, ast.Load)}


def _shows(statement: ast.stmt) -> bool:
    """True for an expression whose value is only shown, so that nothing after it needs it."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))):
            return not name.startswith(_CHANGING)
        case ast.Expr(value=ast.Call(func=ast.Name(id=name))):
            return name == "print" or name.startswith("assert")
        case ast.Expr() | ast.Assert():
            return True
        case _:
            return False


def _loaded(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _given(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {(each.asname or each.name).partition(".")[0] for each in names}
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case _:
            stored = (each for each in ast.walk(statement) if isinstance(each, ast.Name))
            targets = {each.id for each in stored if isinstance(each.ctx, ast.Store)}
            return targets | _subscripted(statement)


def _subscripted(statement: ast.stmt) -> set[str]:
    """Names whose items or attributes a statement sets: `frame["a"] = …`."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    found = set[str]()
    for target in targets:
        inner: ast.expr = target
        while isinstance(inner, ast.Subscript | ast.Attribute):
            inner = inner.value
        if isinstance(inner, ast.Name) and inner is not target:
            found.add(inner.id)
    return found


def _function(needed: Sequence[ast.stmt], result: ast.expr, name: str) -> Snippet | None:
    imports = [each for each in needed if isinstance(each, ast.Import | ast.ImportFrom)]
    classes = [each for each in needed if isinstance(each, ast.ClassDef)]
    body = [copy.deepcopy(each) for each in needed if each not in imports and each not in classes]
    returned = ast.Return(value=copy.deepcopy(result))
    lifted = _Lifted(taken=set().union(*(_loaded(each) for each in (*needed, result))))
    whole = [lifted.visit(each) for each in body]
    returned = lifted.visit(returned)
    whole = [each for each in whole if each is not None]
    arguments = [ast.arg(arg=given, annotation=_annotation(value)) for given, value in lifted.found]
    function = ast.FunctionDef(
        name=name,
        args=ast.arguments(
            posonlyargs=[], args=arguments, kwonlyargs=[], kw_defaults=[], defaults=[]
        ),
        body=[*whole, returned],
        decorator_list=[],
        returns=None,
    )
    module = ast.fix_missing_locations(
        ast.Module(body=[*imports, *classes, function], type_ignores=[])
    )
    source = _spaced(ast.unparse(module))
    if source.count("\n") > _MOST_LINES:
        return None
    call = f"{name}({', '.join(ast.unparse(value) for _, value in lifted.found)})"
    head = next(line for line in source.splitlines() if line.startswith(f"def {name}("))
    return Snippet(source=source, function=name, head=head, call=call, result=ast.unparse(result))


def _spaced(source: str) -> str:
    """Imports first, then an empty line before each definition, as people write it."""
    lines: list[str] = []
    for line in source.splitlines():
        if line.startswith(("def ", "class ", "@")) and lines and lines[-1] and lines[-1][0] != "@":
            lines.append("")
        lines.append(line)
    return "\n".join(line for at, line in enumerate(lines) if line or (at and lines[at - 1])) + "\n"


class _Lifted(ast.NodeTransformer):
    """Takes plain data out of a function, the first pieces only, and puts arguments in their place."""

    def __init__(self, *, taken: set[str]) -> None:
        self.found: list[tuple[str, ast.expr]] = []
        self._taken = taken

    def visit_Assign(self, node: ast.Assign) -> ast.stmt | None:
        """`values = [1, 2]` goes: the name itself is the argument."""
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if self._fits(value):
                if name not in dict(self.found):
                    self.found.append((name, value))
                    return None
        return self._visited(node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Containers given to a call become arguments; other literals say what is to be done."""
        node.args = [self._lifted(each) for each in node.args]
        for keyword in node.keywords:
            keyword.value = self._lifted(keyword.value)
        self.generic_visit(node)
        return node

    def _visited(self, node: ast.stmt) -> ast.stmt:
        self.generic_visit(node)
        return node

    def _lifted(self, value: ast.expr) -> ast.expr:
        if not isinstance(value, ast.List | ast.Dict) or not self._fits(value):
            return value
        free = next((name for name in _NAMES if name not in self._taken), None)
        if free is None:
            return value
        self._taken.add(free)
        self.found.append((free, value))
        return ast.Name(id=free, ctx=ast.Load())

    def _fits(self, value: ast.expr) -> bool:
        return (
            len(self.found) < _MOST_ARGUMENTS
            and _is_plain(value)
            and len(ast.unparse(value)) <= _LONGEST_LITERAL
        )


def _is_plain(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _annotation(value: ast.expr) -> ast.expr | None:
    """The type of plain data, as it would be written in a head; none where it is mixed."""
    return (
        ast.parse(typed, mode="eval").body
        if (typed := plain_type(ast.literal_eval(value)))
        else None
    )


def plain_type(value: object) -> str:
    match value:
        case bool() | int() | float() | str() | bytes():
            return type(value).__name__
        case list():
            inner = {plain_type(each) for each in value}
            return f"list[{inner.pop()}]" if len(inner) == 1 and "" not in inner else "list"
        case dict():
            keys, inside = (
                {plain_type(key) for key in value},
                {plain_type(each) for each in value.values()},
            )
            plain = len(keys) == len(inside) == 1 and "" not in keys | inside
            return f"dict[{keys.pop()}, {inside.pop()}]" if plain else "dict"
        case _:
            return ""
