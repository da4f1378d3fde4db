"""Says whether a request needs steps: several files, several changes, or a wish without a place."""

from __future__ import annotations

import re

from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from agent.intent.rules import changes_asked
from agent.intent.wanted import Wanted
from agent.reply.named import Names
from agent.turn.needed import subject_files

_FEW_CHANGES = 2
_DEFINITION = re.compile(r"`\w+`|\w+(?=\()|\b[A-Za-z]\w*_\w+\b|\b[A-Z][a-z]+[A-Z]\w*\b")
"""Words that are written as the names of definitions are."""
_PATH = re.compile(r"\b[\w-]+\.[A-Za-z]\w{0,4}\b|\w/\w")
_BACK = re.compile(r"\b(?:it|its|this|that|them|these|those|same|again)\b", re.IGNORECASE)
"""Words that mean something said before, which a planner does not see."""
_LARGE = re.compile(
    r"\b(?:app(?:lication)?|packages?|projects?|programs?|features?|support|everywhere|throughout"
    r"|code ?base|(?:all|every|each) (?:the )?(?:files?|modules?|functions?|classes))\b",
    re.IGNORECASE,
)


def needs_steps(text: str, wanted: Wanted, sources: Sources) -> bool:
    """True if a request for a change is about several files, asks for several changes, or names no place.

    Reads files; blocks.
    """
    if wanted not in (Wanted.EDIT, Wanted.NEW):
        return False
    files = _named_files(text, sources)
    if len(files) > 1 or changes_asked(text) > _FEW_CHANGES:
        return True
    return not files and _is_vague(text, wanted)


def _named_files(text: str, sources: Sources) -> list[str]:
    """The files without tests that a request names, or that define what it names."""
    names = Names(sources.files)
    definitions = " ".join(_DEFINITION.findall(text))
    found = (*names.mentioned(text), *names.with_name(text), *subject_files(definitions, sources))
    return [path for path in dict.fromkeys(found) if not is_test_path(path)]


def _is_vague(text: str, wanted: Wanted) -> bool:
    if _DEFINITION.search(text) or _PATH.search(text) or _BACK.search(text):
        return False
    return wanted is Wanted.EDIT or _LARGE.search(text) is not None
