"""Files as a refactoring would leave them, and the places where a name still stands then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.errors import AgentError
from agent.fixing.sources import Sources

BUILT_IN = frozenset(
    name for kind in (str, bytes, list, dict, set, tuple, int, float) for name in dir(kind)
)
"""Attributes that objects of other kinds have, too: a call through an unknown object may mean them."""
_MOST_LEFT = 5


class RefactoringError(AgentError):
    """A refactoring cannot be done; the message says why, and what to say instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refactored:
    """The files after a refactoring."""

    texts: Mapping[str, str]
    """New texts of files, with Unix line ends; a file that is not there yet is new."""
    before: Mapping[str, str]
    """The texts that this was planned on, of the files that change or are removed."""
    removed: tuple[str, ...] = ()
    """Files that are gone, as a renamed module is."""
    left: tuple[str, ...] = ()
    """Places, as `path:line`, where the old name still stands, in strings, comments and other files."""
    names: frozenset[str] = field(default_factory=frozenset)
    """Names that may vanish from files."""


def still_there(name: str, sources: Sources, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Places where a name is still written, whatever it means there."""
    word = re.compile(rf"(?<![\w]){re.escape(name)}(?![\w])")
    found: list[str] = []
    for path in sorted(sources.files):
        text = texts.get(path, sources.text(path)) or ""
        found += [
            f"{path}:{n}" for n, line in enumerate(text.split("\n"), start=1) if word.search(line)
        ]
        if len(found) > _MOST_LEFT:
            return (*found[:_MOST_LEFT], "and more")
    return tuple(found)
