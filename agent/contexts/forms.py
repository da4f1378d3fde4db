"""Other forms of a call that code which comes with a library shows: `dict(view).values()` for `view.values()`.

A form alone says little. It is taken for the successor if such code runs, and fails with the very error of
the experience where the old form is put in its place; and if no other form is shown nearly as often.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.contexts.failures import ApiFailure, MissingApi, plain_holder
from agent.contexts.trying import Ran
from agent.editing.python_source import parse_python
from learning.contexts.change import ApiChange, ChangeKind, Grounds

_WRAPPERS = frozenset({"dict", "list", "set", "str", "tuple"})
_FEWEST = 2
_MOST_FORMS = 3


def names_of_forms(missing: MissingApi, failure: ApiFailure, *, known: bool) -> str:
    """Identifiers that code with another form of the call must have; empty where none is looked for.

    Of a function that no library was found to have only a method counts: `sum() got an unexpected keyword`.
    """
    forms = (ChangeKind.NAME, ChangeKind.KEYWORD)
    if missing.of_module or missing.said or missing.kind not in forms:
        return ""
    is_method = missing.kind is ChangeKind.KEYWORD and f".{plain_holder(missing)}(" in failure.code
    if not known and not is_method:
        return ""
    if missing.kind is ChangeKind.KEYWORD:
        return f"{plain_holder(missing)} {missing.name}"
    return missing.name


def trees_of(pieces: Sequence[Mapping[str, Any]]) -> list[ast.Module]:
    """The syntax trees of the code in pieces; what is no Python has none."""
    codes = (str(code) for piece in pieces for code, _ in piece["code"])
    return [tree for code in codes if (tree := parse_python(code)) is not None]


def forms_of(
    missing: MissingApi, trees: Sequence[ast.Module], *, library: str, version: str
) -> list[ApiChange]:
    """The forms that code shows, those that most of it has first."""
    counts = Counter(form for tree in trees for form in _forms(tree, missing))
    return [
        ApiChange(
            library=library,
            version=version,
            holder=plain_holder(missing),
            old=old,
            new=new,
            kind=kind,
            grounds=Grounds.SHOWN,
        )
        for (kind, old, new), count in counts.most_common(_MOST_FORMS)
        if count >= _FEWEST
    ]


def shown_form(
    missing: MissingApi, failures: Sequence[ApiFailure], ran: Sequence[Ran]
) -> ApiChange | None:
    """The form whose code ran, and failed as the experiences did with the old one; None if there are two.

    A class whose name ends in the one that failed is of its family: `MultiDegreeView` for `DegreeView`.
    """
    holder = plain_holder(missing)
    said = "|".join(re.escape(failure.message) for failure in failures)
    error = re.compile(re.sub(rf"'{holder}'", rf"'\\w*{holder}'", said))
    changes = (draft.change for draft, _, old in ran if old and error.fullmatch(old.error))
    own = Counter(each for each in changes if each is not None and each.holder == holder)
    (form, count), (_, rival) = [*own.most_common(2), (None, 0), (None, 0)][:2]
    return form if count >= _FEWEST and 2 * rival < count else None


def _forms(tree: ast.Module, missing: MissingApi) -> Iterator[tuple[ChangeKind, str, str]]:
    for node in ast.walk(tree):
        if missing.kind is ChangeKind.NAME:
            yield from _wrapped(node, missing.name)
        else:
            yield from _chained(node, plain_holder(missing), missing.name)


def _wrapped(node: ast.AST, name: str) -> Iterator[tuple[ChangeKind, str, str]]:
    match node:
        case ast.Attribute(
            attr=attribute, value=ast.Call(func=ast.Name(id=wrapper), args=[_], keywords=[])
        ) if attribute == name and wrapper in _WRAPPERS:
            yield ChangeKind.WRAP, name, f"{wrapper}().{name}"


def _chained(node: ast.AST, method: str, keyword: str) -> Iterator[tuple[ChangeKind, str, str]]:
    match node:
        case ast.Call(
            func=ast.Attribute(
                attr=last,
                value=ast.Call(
                    func=ast.Attribute(attr=before), args=[], keywords=[ast.keyword(arg=given)]
                ),
            ),
            args=[],
            keywords=[],
        ) if (last, given) == (method, keyword):
            yield ChangeKind.CHAIN, f"{method}({keyword}=)", f"{before}({keyword}=).{method}()"
