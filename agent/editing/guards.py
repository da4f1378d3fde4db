"""Guards that refuse whole-file edits with losses: elided code, emptied bodies, vanished definitions.

Only new losses count: a file that had `...` before may keep it.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Collection
from pathlib import PurePosixPath

from agent.context.outline import broken_line, outline
from agent.editing.python_source import (
    DefinitionNode,
    bound_names,
    definitions,
    is_stub,
    parse_python,
    syntax_problem,
)

_WHAT = (
    r"(?:code|file|class(?:es)?|functions?|methods?|module|imports?|implementations?|definitions?"
    r"|lines?|tests?|logic|content|body)"
)
_SAME = (
    r"(?:unchanged|untouched|omitted|the same|same as (?:before|above|original)|as (?:before|is)"
    r"|for brevity|goes? here)"
)
_COMMENT = re.compile(
    r"^\s*(?:pass|\.\.\.|return)?\s*(?:#|//|/\*|<!--|--|;|%|\{/\*|\"\"\")(?P<text>.*)$"
)
_ELISIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:\.{3,}|…).*",
        rf".*\b(?:rest|other|existing|remaining|previous|{_WHAT})\b.*(?:\.{{3,}}|…)",
        rf"(?:.*\W)?rest of (?:\w+ ){{0,2}}{_WHAT}\b.*",
        rf"(?:(?:keep|all|the|any|your|with|and) )*"
        rf"(?:existing|other|remaining|previous|original|rest) (?:\w+ )?{_WHAT}"
        rf"(?: (?:is|are|go|goes|here|remain|remains|stay|stays|follow|follows)\b.*)?",
        rf".*\b{_WHAT}\b.*\b{_SAME}\b.*",
        rf"(?:.*\W)?(?:rest|remainder|everything else)(?: \w+){{0,2}} {_SAME}.*",
        rf"{_SAME}(?: here)?|no changes?(?: needed)?(?: here)?",
        r"(?:(?:add|put|insert) )?(?:your |the )?(?:code|implementation|logic)(?: goes)? here",
    )
)
_BARE = frozenset({"...", "…", "[...]", "(...)", "<...>"})
_DECORATION = ' \t-=*()[]<>/{}!:."#'
_LONGEST_COMMENT = 200
_TAKES_IN = re.compile(
    r"\s*(?:import|from|export|use|pub use|require|#include|using)\b|.*\brequire\("
)
_DEFINED = re.compile(r"(?m)^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)")


def elided_line(before: str, after: str, *, path: str) -> str:
    """The first new line that stands for omitted code; empty if there is none."""
    known = {line.strip() for line in before.splitlines()}
    new = (line.strip() for line in after.splitlines() if line.strip() not in known)
    is_python = path.endswith((".py", ".pyi"))
    is_prose = path.endswith((".md", ".rst", ".txt"))
    for line in new:
        if (line in _BARE and not is_python) or (not is_prose and _says_left_out(line)):
            return line
    return ""


def emptied_definition(before: str, after: str) -> str:
    """The first function with a body before and none now; empty if there is none."""
    now = definitions(after)
    for name, old in definitions(before).items():
        new = now.get(name)
        if new is None or isinstance(new, ast.ClassDef) or isinstance(old, ast.ClassDef):
            continue
        if (is_stub(new) and not is_stub(old)) or _ellipses(new) > _ellipses(old):
            return name
    old_tree, new_tree = parse_python(before), parse_python(after)
    if new_tree and _bare_ellipses(new_tree) > (_bare_ellipses(old_tree) if old_tree else 0):
        return "the module"
    return ""


def vanished_definitions(
    before: str, after: str, *, may_vanish: Collection[str] = ()
) -> tuple[str, ...]:
    """Functions, classes and methods of the old text that the new text lacks."""
    if parse_python(before) is None:
        left = {*_DEFINED.findall(after), *bound_names(after)}
        plain = dict.fromkeys(_DEFINED.findall(before))
        return tuple(name for name in plain if name not in left and name not in may_vanish)
    now = definitions(after).keys() | bound_names(after)
    gone: list[str] = []
    for name in definitions(before):
        parent, _, plain_name = name.rpartition(".")
        if name not in now and parent not in gone and plain_name not in may_vanish:
            gone.append(name)
    return tuple(gone)


def vanished_names(
    before: str, after: str, *, path: str, may_vanish: Collection[str] = ()
) -> tuple[str, ...]:
    """`vanished_definitions` for other languages that have a grammar."""
    old, new = outline(path, before), outline(path, after)
    if old is None or new is None or broken_line(path, before):
        return ()
    left = {item.name for item in new.definitions} | {
        word
        for line in after.splitlines()
        if _TAKES_IN.match(line)
        for word in re.findall(r"\w+", line)
    }
    names = dict.fromkeys(item.name for item in old.definitions)
    return tuple(name for name in names if name not in left and name not in may_vanish)


def new_syntax_problem(before: str | None, after: str, *, path: str) -> str:
    """The syntax error of a new text whose old text had none, or did not exist; else empty.

    For languages with only a grammar, the old text has to parse: the grammar may be older than the
    language, or not know the macros of a project.
    """
    problem_of = _CHECKS.get(PurePosixPath(path).suffix)
    if problem_of is None:
        return _new_broken_line(before, after, path)
    if before is not None and problem_of(before):
        return ""
    return problem_of(after)


def _new_broken_line(before: str | None, after: str, path: str) -> str:
    if not before or broken_line(path, before):
        return ""
    line = broken_line(path, after)
    return f"line {line} is not right" if line else ""


def _says_left_out(line: str) -> bool:
    comment = _COMMENT.match(line[:_LONGEST_COMMENT])
    if comment is None:
        return False
    text = comment["text"].strip(_DECORATION.replace(".", ""))
    return any(
        pattern.fullmatch(form) for pattern in _ELISIONS for form in (text, text.strip(_DECORATION))
    )


def _ellipses(node: DefinitionNode) -> int:
    return sum(_is_ellipsis(item) for item in ast.walk(node))


def _bare_ellipses(tree: ast.Module) -> int:
    return sum(_is_ellipsis(item) for item in tree.body)


def _is_ellipsis(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant(value=value)):
            return value is ...
        case _:
            return False


def _json_problem(text: str) -> str:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as err:
        return str(err)
    return ""


def _toml_problem(text: str) -> str:
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as err:
        return str(err)
    return ""


_CHECKS: dict[str, Callable[[str], str]] = {
    ".py": syntax_problem,
    ".pyi": syntax_problem,
    ".json": _json_problem,
    ".toml": _toml_problem,
}
