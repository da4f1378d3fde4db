"""Says that what a request asks for is there: a model that is asked for it gives the file back as it was, three times."""

from __future__ import annotations

import ast
import re

from agent.editing.python_source import definitions
from agent.fixing.sources import Sources

_DOCSTRING_FOR = re.compile(
    r"^(?:(?:please|pls|can you|could you)\s+)*(?:(?:add|write|insert|put) (?:a|the) docstring (?:to|for|on|in)|document)\s+(?:the )?"
    r"(?:function |method |class )?`?(?P<name>[A-Za-z_][\w.]*?)`?(?:\(\))?(?: (?:in|of) `?@?(?P<file>[\w./-]+\.py)`?)?(?: please| pls)?[\s.!?]*$",
    re.IGNORECASE,
)
_LONGEST = 80


def docstring_there(text: str, sources: Sources) -> str:
    """A sentence on the docstring that a function has already, where a request asks for nothing but one; else empty."""
    asked = _DOCSTRING_FOR.match(" ".join(text.split()))
    if asked is None:
        return ""
    name, file = asked["name"], asked["file"] or ""
    found = [
        (path, node)
        for path in sorted(sources.files)
        if path.endswith(".py") and (not file or path == file or path.endswith(f"/{file}"))
        for qualified, node in definitions(sources.text(path) or "").items()
        if name in (qualified, qualified.rpartition(".")[2])
    ]
    if len(found) != 1 or isinstance(found[0][1], ast.ClassDef):  # its methods may be meant
        return ""
    path, node = found[0]
    if not (said := ast.get_docstring(node)):
        return ""
    first = said.split("\n")[0][:_LONGEST]
    return f'{name} in {path} has a docstring already: "{first}"; say what it should say instead.'
