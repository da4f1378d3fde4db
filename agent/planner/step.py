"""One step of a plan for a request."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.editing.python_source import definitions, source_of
from agent.fixing.sources import Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One change that the model makes in one reply, and the beginning of that reply."""

    text: str
    begun: str = ""
    """The path of the file, and the first lines of the one definition that changes; empty where nobody knows."""
    path: str = ""
    definition: str = ""
    shows: str = ""
    """A pattern that the definition in that file has once the step is done; empty where nobody can tell."""

    def is_done(self, sources: Sources) -> bool:
        """True if the code shows that the step was done along with one before it."""
        if not self.shows:
            return False
        text = sources.text(self.path) or ""
        node = definitions(text).get(self.definition)
        code = "" if node is None else source_of(text, node)
        return re.search(self.shows, code) is not None
