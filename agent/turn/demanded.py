"""Says what a request demands by name and the code that was written for it does not have yet.

Read are options, parameters, definitions, fields, constants, exceptions and quoted texts. A demand in other
words, and one that a request denies ("without", "no longer"), is not seen: nothing is said of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from agent.editing.python_source import parse_python
from agent.editing.source_files import is_test_path

_GIVES = re.compile(
    r"\b(?:accept|add|create|define|extract|give|implement|introduce|let|make|provide|support|take|use|write)s?\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:delete|(?:do|must|should) not|don't|drop|get rid|no longer|remove|rename|stop|without)\b",
    re.IGNORECASE,
)
_NAME = r"(?:called\s+|named\s+)?(?P<mark>[`'\"]?)(?P<name>[A-Za-z_]\w+)(?P=mark)"
_BEHIND = (
    r"(?=\s*(?:[.,;:(=]|$|(?:and|by|default\w*|for|from|in|of|on|so|that|to|which|whose|with)\b))"
)
"""The words behind a name: what stands before another word may be an adverb, or a part of a compound."""
_OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]+")
_PARAMETER = re.compile(rf"\b(?:parameter|argument)\s+{_NAME}{_BEHIND}", re.IGNORECASE)
_DEFINITION = re.compile(
    rf"\b(?:an?|new)\s+(?:function|method|class|property|dataclass)\s+{_NAME}{_BEHIND}",
    re.IGNORECASE,
)
_FIELD = re.compile(
    rf"\b(?:an?|new)\s+(?:\w+\s+)?(?:attribute|field)\s+{_NAME}{_BEHIND}", re.IGNORECASE
)
_DUNDER = re.compile(r"(?P<name>\b__[a-z]+__)(?!\w)")
_CONSTANT = re.compile(r"\bconstant\s+(?:called\s+|named\s+)?[`'\"]?(?P<name>[A-Z][A-Z0-9_]+)\b")
_RAISED = re.compile(
    r"(?:^|\b(?:and|(?:let|make)\s+\w+|must|should|to)\s+(?:also\s+|then\s+)?)raise\s+(?:an?\s+)?`?"
    r"(?P<name>[A-Z]\w*(?:Error|Exception))\b",
    re.MULTILINE,
)
_TEXT = re.compile(
    r"\b(?:message|prints?|returns?|saying|says?|text)\s+(?P<mark>['\"])(?P<name>[^'\"\n{}<>%]{3,60})(?P=mark)"
)
_NO_NAMES = frozenset(
    [
        *(
            "above",
            "after",
            "also",
            "and",
            "are",
            "as",
            "before",
            "below",
            "by",
            "for",
            "from",
            "has",
            "here",
        ),
        *(
            "if",
            "in",
            "into",
            "is",
            "of",
            "on",
            "only",
            "so",
            "that",
            "the",
            "there",
            "to",
            "which",
            "with",
        ),
        *(
            "argument",
            "attribute",
            "call",
            "decorator",
            "function",
            "getter",
            "list",
            "method",
            "parser",
        ),
        *("property", "setter", "signature", "variable", "version"),
    ]
)
"""Words that may stand behind "a function" and name none."""


def unmet(request: str, before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """The demands of a request that the written files do not meet, a sentence each; empty if all are met.

    `before` and `after` give the texts of the files that were written, by path; a new file is only
    in `after`. Tests and files that are no Python say nothing.
    """
    code = {path: text for path, text in after.items() if _is_code(path)}
    if not code or _DENIES.search(request):
        return ()
    old = "\n".join(text for path, text in before.items() if _is_code(path))
    new = "\n".join(code.values())
    trees = [tree for text in code.values() if (tree := parse_python(text)) is not None]
    found: list[str] = []
    for demands in (_options, _parameters, _definitions, _fields, _constants, _raised, _texts):
        found += demands(request, old, new, trees)
    return tuple(dict.fromkeys(found))


def _is_code(path: str) -> bool:
    return path.endswith(".py") and not is_test_path(path)


def _options(request: str, _old: str, new: str, _trees: list[ast.Module]) -> Iterator[str]:
    if _GIVES.search(request):
        for name in _OPTION.findall(request):
            if name not in new:
                yield f"there is no option {name}"


def _parameters(request: str, _old: str, _new: str, trees: list[ast.Module]) -> Iterator[str]:
    """A parameter must be one of a function that the request names; of any, if it names none."""
    words = set(re.findall(r"\w+", request))
    functions = [node for tree in trees for node in _functions(tree)]
    named = [node for node in functions if node.name in words]
    there = {argument for node in named or functions for argument in _arguments(node)}
    for name in _named(request, _PARAMETER):
        if name not in there:
            yield (
                f"{named[0].name} has no parameter {name}"
                if named
                else f"no parameter is called {name}"
            )


def _definitions(request: str, _old: str, _new: str, trees: list[ast.Module]) -> Iterator[str]:
    defined = {name for tree in trees for name in _defined(tree)}
    for name in _named(request, _DEFINITION, _DUNDER):
        if name not in defined:
            yield f"{name} is not defined"


def _fields(request: str, _old: str, _new: str, trees: list[ast.Module]) -> Iterator[str]:
    """A field is assigned to, as `self.name` or in the body of a class, or is a parameter."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    there = {name for node in nodes if isinstance(node, ast.stmt) for name in _targets(node)}
    there |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    for name in _named(request, _FIELD):
        if name not in there:
            yield f"there is no field {name}"


def _constants(request: str, _old: str, _new: str, trees: list[ast.Module]) -> Iterator[str]:
    top = {name for tree in trees for node in tree.body for name in _targets(node)}
    for name in _named(request, _CONSTANT):
        if name not in top:
            yield f"{name} is not assigned at the top level of the file"


def _raised(request: str, old: str, new: str, _trees: list[ast.Module]) -> Iterator[str]:
    for name in (match["name"] for match in _RAISED.finditer(request)):
        pattern = rf"\braise {name}\b"
        if len(re.findall(pattern, new)) <= len(re.findall(pattern, old)):
            yield f"nothing raises {name}"


def _texts(request: str, _old: str, new: str, _trees: list[ast.Module]) -> Iterator[str]:
    for text in (match["name"] for match in _TEXT.finditer(request)):
        if text not in new:
            yield f"the text {text!r} does not stand in the code"


def _named(request: str, *patterns: re.Pattern[str]) -> Iterator[str]:
    """The names that a request gives to something new; a sentence without such a verb gives none."""
    for sentence in re.split(r"[.;:]\s", request):
        if _GIVES.search(sentence):
            for pattern in patterns:
                names = (match["name"] for match in pattern.finditer(sentence))
                yield from filter(_is_name, names)


def _is_name(word: str) -> bool:
    return word.lower() not in _NO_NAMES and not word.endswith("ing")


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    given = node.args
    for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs):
        yield argument.arg
    yield from (each.arg for each in (given.vararg, given.kwarg) if each is not None)


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.stmt):
            yield from _targets(node)


def _targets(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Assign(targets=targets):
            yield from (each.id for each in targets if isinstance(each, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case _:
            return
