"""Reads from a failed reply and its verified fix which API took the place of the one that is not there.

A fix often differs in more than the API. So a name counts if the same object and arguments stand with it,
a keyword if the same function is called with it and its value came along, and any other one only if it
is all that the fix has more, on the object that lacked the old one or in a call of the same function.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from learning.contexts.change import ChangeKind


@dataclass(frozen=True, slots=True)
class Replacement:
    """Name and form that a fix uses instead; `old` is the whole old form where it is more than the missing name."""

    new: str
    kind: ChangeKind
    old: str = ""


def replacements(
    failed: ast.Module, fixed: ast.Module, missing: str, *, kind: ChangeKind, called: str = ""
) -> Iterator[Replacement]:
    """List what could have replaced a missing name or keyword, the surest first.

    `called` is the plain name of the function that does not know the keyword.
    """
    if kind is ChangeKind.KEYWORD:
        yield from _keywords(failed, fixed, missing, called)
        yield from _only_keyword(failed, fixed, missing, called)
    elif kind is ChangeKind.NAME:
        yield from _names(failed, fixed, missing)
        yield from _only_name(failed, fixed, missing)


def fixed_argument(
    tree: ast.AST, function: str, keyword: str, *, of_any_value: bool = False
) -> str:
    """A call's name and its keyword with a constant, or with any value: `f(a=1)`; empty without one."""
    for call in _calls(tree, function):
        value = _given(call).get(keyword)
        if isinstance(value, ast.Constant) or (of_any_value and value is not None):
            return f"{function}({keyword}={ast.unparse(value)})"
    return ""


def attributes(tree: ast.AST) -> set[str]:
    """Names of all attributes in some code."""
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _keywords(
    failed: ast.Module, fixed: ast.Module, missing: str, called: str
) -> Iterator[Replacement]:
    """Another keyword of the same function with the same data, or the same expression without it."""
    for old in _calls(failed, called):
        before = _given(old)
        if missing not in before:
            continue
        for new in _calls(fixed, called):
            after = _given(new)
            added = [name for name in after if name not in before]
            if (
                missing not in after
                and len(added) == 1
                and _shares(before[missing], after[added[0]])
            ):
                yield Replacement(added[0], ChangeKind.KEYWORD)
        argument = fixed_argument(old, called, missing)
        if argument and _expressions(failed, without=(old, missing)) & _expressions(fixed):
            yield Replacement(called, ChangeKind.VARIANT, argument)


def _only_keyword(
    failed: ast.Module, fixed: ast.Module, missing: str, called: str
) -> Iterator[Replacement]:
    """The one keyword that only the fix gives to the same function, or the one name on the same object."""
    names = attributes(fixed) - attributes(failed)
    function = _taker(failed, missing, called)
    keywords = _keyword_names(fixed, function) - _keyword_names(failed, function)
    if len(keywords) == 1 and not names:
        yield Replacement(keywords.pop(), ChangeKind.KEYWORD)
    elif len(names) == 1:
        name = names.pop()
        for call in _calls(failed, function):
            old = _constant_call(call, missing)
            if old and _is_on_the_same(failed, fixed, function, name):
                yield Replacement(name, ChangeKind.CALL, old)
                break


def _taker(failed: ast.Module, keyword: str, called: str) -> str:
    """The function that was given a keyword: the one that the error names, or else one with another name."""
    calls = (node for node in ast.walk(failed) if isinstance(node, ast.Call))
    takers = [_called(call) for call in calls if keyword in _given(call)]
    return called if called in takers else next(iter(takers), "")


def _names(failed: ast.Module, fixed: ast.Module, missing: str) -> Iterator[Replacement]:
    """Another name on the same object, or a function of a module that is given it, with the same arguments."""
    modules, known = _modules(fixed), attributes(failed)
    for old in _calls(failed, missing):
        if not isinstance(old.func, ast.Attribute):
            continue
        owner, arguments = ast.unparse(old.func.value), _texts(old)
        for new in ast.walk(fixed):
            match new:
                case ast.Call(func=ast.Attribute(attr=name, value=holder)) if name not in known:
                    if ast.unparse(holder) == owner and _texts(new) == arguments:
                        yield Replacement(name, ChangeKind.NAME)
                    elif (module := modules.get(ast.unparse(holder))) and new.args:
                        kind = _kind_of_function(new, owner, arguments)
                        yield from [Replacement(f"{module}.{name}", kind)] if kind else []


def _kind_of_function(new: ast.Call, owner: str, arguments: list[str]) -> ChangeKind | None:
    """Name the way a function takes what had been a method's object and arguments; None if it does not."""
    match new.args[0]:
        case ast.List(elts=[first, *rest]):
            joins = [*map(ast.unparse, (first, *rest))] == [owner, *arguments[:1]]
            return ChangeKind.JOINED if joins else None
        case first:
            same = [ast.unparse(first), *_texts(new)[1:]] == [owner, *arguments]
            return ChangeKind.FUNCTION if same else None


def _only_name(failed: ast.Module, fixed: ast.Module, missing: str) -> Iterator[Replacement]:
    """The one name that only the fix has, if it stands on the object that lacked the old one."""
    names = attributes(fixed) - attributes(failed)
    if len(names) == 1 and _is_on_the_same(failed, fixed, missing, name := names.pop()):
        yield Replacement(name, ChangeKind.NAME)


def _is_on_the_same(failed: ast.Module, fixed: ast.Module, old: str, new: str) -> bool:
    """True if both attributes stand on one expression, as it is written or as its variable was assigned."""
    return bool(_owners(failed, old) & _owners(fixed, new))


def _owners(tree: ast.Module, attribute: str) -> set[str]:
    """List the objects that an attribute stands on; of a module its full name, of a variable its only value as well."""
    modules, values = _modules(tree), _only_values(tree)
    owners = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == attribute:
            written = ast.unparse(node.value)
            owners |= {modules.get(written, written), values.get(written, written)}
    return owners


def _only_values(tree: ast.Module) -> dict[str, str]:
    """The expressions of variables that are assigned once."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.setdefault(name, []).append(ast.unparse(value))
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def _modules(tree: ast.Module) -> dict[str, str]:
    """Imported modules by the name that they have in the code."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Import))
    return {alias.asname or alias.name: alias.name for node in nodes for alias in node.names}


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) == name:
            yield node


def _called(call: ast.Call) -> str:
    """Plain name of a called function; empty for another expression."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _given(call: ast.Call) -> dict[str, ast.expr]:
    return {each.arg: each.value for each in call.keywords if each.arg}


def _texts(call: ast.Call) -> list[str]:
    return [*map(ast.unparse, call.args), *map(ast.unparse, call.keywords)]


def _shares(old: ast.expr, new: ast.expr) -> bool:
    """True if a constant or a name of the one value stands in the other."""
    return bool(_leaves(old) & _leaves(new))


def _leaves(value: ast.expr) -> set[str]:
    leaves = (n for n in ast.walk(value) if isinstance(n, ast.Constant | ast.Name))
    return {ast.unparse(leaf) for leaf in leaves}


def _expressions(tree: ast.Module, without: tuple[ast.Call, str] | None = None) -> set[str]:
    """The whole expressions of assignments and returns; of one call with a keyword taken out, if given."""
    found = set[str]()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.Return | ast.Expr) or node.value is None:
            continue
        if without is None:
            found.add(ast.unparse(node.value))
        elif any(each is without[0] for each in ast.walk(node.value)):
            found.add(_unparsed_without(node.value, *without))
    return found


def _unparsed_without(value: ast.expr, call: ast.Call, keyword: str) -> str:
    kept = call.keywords
    call.keywords = [each for each in kept if each.arg != keyword]
    try:
        return ast.unparse(value)
    finally:
        call.keywords = kept


def _keyword_names(tree: ast.Module, function: str) -> set[str]:
    return {name for call in _calls(tree, function) for name in _given(call)}


def _constant_call(call: ast.Call, keyword: str) -> str:
    """A method call with this keyword alone, without its object, if its value is plain data."""
    match call:
        case ast.Call(
            func=ast.Attribute(attr=name), args=[], keywords=[ast.keyword(arg=given, value=value)]
        ) if given == keyword and isinstance(value, ast.Constant):
            return f"{name}({keyword}={ast.unparse(value)})"
        case _:
            return ""
