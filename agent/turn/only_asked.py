"""Takes from a reply only the docstrings or the type hints, where a request asks for nothing else."""

from __future__ import annotations

import re
from dataclasses import replace

from agent.editing.annotating import with_docstrings_of, with_hints_of
from agent.editing.python_source import definitions
from agent.reply.parsed import FileEdit

_POLITE = r"^\W*(?:@\S+\s+)?(?:(?:please|now|can you|could you)\s+)*"
_ASKS = re.compile(
    rf"{_POLITE}(?P<verb>add|annotate|complete|create|document|generate|give|insert|put|write)\b",
    re.IGNORECASE,
)
_DOCSTRINGS = re.compile(r"\bdocstrings?\b|^\W*(?:\w+\s+){0,2}document\b", re.IGNORECASE)
_HINTS = re.compile(
    r"\b(?:type[- ]?)?(?:hints?|annotations?)\b|\btypes\b|\bannotate\b", re.IGNORECASE
)
_MORE = re.compile(
    r"\b(?:attribute|change|class that|comments?|delete|fix|function that|implement|inline|instead|move|parameter"
    r"|raises?|readme|refactor|remove|rename|returns?|tests?|variable)\b",
    re.IGNORECASE,
)
"""Words of a request that may want the code to change as well."""


def only_asked(edit: FileEdit, before: str | None, request: str) -> FileEdit:
    """The edit with nothing but docstrings or hints, if the request asks for nothing else; else as it is.

    Those of the definitions that the request names are taken, of all if it names none. A reply that
    has none of them stays as it is, for the usual checks to judge.
    """
    found = _ASKS.match(request)
    if found is None or before is None or not edit.path.endswith(".py") or _MORE.search(request):
        return edit
    docstrings, hints = _DOCSTRINGS.search(request), _HINTS.search(request)
    words = set(re.findall(r"\w+", request[found.end() :]))
    names = [name for name in definitions(before) if name.rpartition(".")[2] in words]
    text = before
    if docstrings:
        text = with_docstrings_of(edit.content, text, names=names)
    if hints:
        text = with_hints_of(edit.content, text, names=names)
    return edit if text in (before, edit.content) else replace(edit, content=text, exact=True)
