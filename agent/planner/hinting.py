"""Plans a request for the type hints of one function: the reply begins with its first line.

A small model that is asked for hints gives a whole file back as it was; it fills in the types once the line has begun.
"""

from __future__ import annotations

from agent.editing.annotating import headers_to_annotate
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.planner.step import PlanStep
from agent.turn.needed import subject_files
from agent.turn.only_asked import named_for_hints
from agent.turn.unchanged import begun_header


def hint_steps(text: str, wanted: Wanted, sources: Sources) -> tuple[PlanStep, ...]:
    """The step for a request for the hints of one function, and nothing else; none for any other request.

    Reads files; blocks.
    """
    if wanted is not Wanted.EDIT:
        return ()
    named = [
        (path, name)
        for path in subject_files(text, sources)
        if path.endswith(".py")
        for name in named_for_hints(text, path, sources.text(path) or "")
    ]
    if len(named) != 1:
        return ()
    ((path, name),) = named
    holder, _, last = name.rpartition(".")
    headers = [
        header
        for header in headers_to_annotate(sources.text(path) or "", words={last})
        if header.startswith((f"{holder}: ",) if holder else ("def ", "async def "))
    ]
    begun = begun_header(headers[0], path) if len(headers) == 1 else None
    return (PlanStep(text=text, begun=begun),) if begun is not None else ()
