"""Says which words are names in a project: of definitions, fields of classes, and values at the top of a file."""

from __future__ import annotations

import ast
from collections.abc import Collection

from agent.editing.python_source import definitions, imports, names_bound_in, parse_python
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from agent.refactoring.fields import fields_of


def known_names(words: Collection[str], sources: Sources) -> frozenset[str]:
    """Those of some words, `name` or `Class.name`, that the code of a project defines; tests aside."""
    wanted = frozenset(words)
    found: set[str] = set()
    for path in sources.files:
        if not path.endswith(".py") or is_test_path(path):
            continue
        text = sources.text(path) or ""
        tree = (
            parse_python(text) if any(word.rpartition(".")[2] in text for word in wanted) else None
        )
        if tree is None:
            continue
        names = set(definitions(text))
        names |= {name.rpartition(".")[2] for name in names}
        names |= names_bound_in(tree.body) - {item.alias for item in imports(text)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                names |= {
                    each for field in fields_of(node) for each in (field, f"{node.name}.{field}")
                }
        found |= wanted & names
    return frozenset(found)
