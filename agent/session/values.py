"""Finds the values in the code that a question speaks of: entries of tables, and constants by their names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from agent.editing.python_source import parse_python
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from agent.words import COMMON, words_of

_NAMES = re.compile(
    r"(?m)^(?P<name>[A-Za-z_]\w*)\s*(?::[^=\n]+)?=|['\"](?P<key>[^'\"\n]{1,60})['\"]\s*:"
)
_MOST_FILES = 400
_MOST_TOLD = 6
_LONGEST_VALUE = 80


def named_values(question: str, sources: Sources) -> tuple[str, ...]:
    """The values that a question names, each as `path:line: NAME["key"] is value`; at most six.

    In a large project the files nearest to its root are read.
    """
    words = frozenset(words_of(question)) - COMMON
    files = [path for path in sources.files if path.endswith(".py") and not is_test_path(path)]
    found = (
        f"{path}:{line}: {said}"
        for path in sorted(files, key=lambda path: (path.count("/"), path))[:_MOST_FILES]
        for line, said in _values(sources.text(path) or "", words)
    )
    return tuple(said for said, _ in zip(found, range(_MOST_TOLD), strict=False))


def _values(text: str, words: frozenset[str]) -> Iterator[tuple[int, str]]:
    # most files hold no such name: they are not parsed
    names = (match["name"] or match["key"] for match in _NAMES.finditer(text))
    tree = parse_python(text) if any(_is_named(name, words) for name in names) else None
    for node in tree.body if tree is not None else ():
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        if isinstance(value, ast.Dict):
            yield from _entries(name, value, words)
        elif isinstance(value, ast.Constant) and _is_named(name, words):
            yield node.lineno, f"{name} is {_short(value)}"


def _entries(name: str, table: ast.Dict, words: frozenset[str]) -> Iterator[tuple[int, str]]:
    for key, value in zip(table.keys, table.values, strict=True):
        match key:
            case ast.Constant(value=str(said)) if _is_named(said, words):
                yield key.lineno, f"{name}[{said!r}] is {_short(value)}"
            case _:
                continue


def _is_named(name: str, words: frozenset[str]) -> bool:
    """True if all the words of a name, and there are some, stand in the question."""
    own = frozenset(words_of(name))
    return bool(own) and own <= words


def _short(value: ast.expr) -> str:
    said = ast.unparse(value)
    return said if len(said) <= _LONGEST_VALUE else f"{said[:_LONGEST_VALUE]} …"
