"""Says what to do after a file came back as it was, and which names a change may lose."""

from __future__ import annotations

import re
from collections.abc import Collection

from agent.editing.annotating import headers_to_annotate, stubs_to_document
from agent.editing.python_source import definitions, source_of
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from agent.prompt_files import filled
from agent.turn.beginning import Beginning
from agent.turn.needed import subject_files
from agent.turn.only_asked import asks_for_hints
from agent.turn.opening import asks_for_docstrings, asks_for_test

_MOST_HEADERS = 8
_ADDS = re.compile(
    r"\W*(?:@\S+\s+)?(?:(?:please|now|can you|could you)\s+)*(?:add|annotate|comment|describe|document|test)\b",
    re.IGNORECASE,
)
_DOTS = re.compile(r"\"\"\"\.\.\.|(?::|->) \.\.\.")
"""The first place that something is to stand in: a docstring or a type."""
_POLITE = re.compile(r"^\W*(?:(?:please|now|can you|could you)\s+)*", re.IGNORECASE)
_TAKES = re.compile(
    r"\b(?:inline|instead|into|merge|move|remove|delete|drop|rename|replace|rid|split)\b",
    re.IGNORECASE,
)


def about_unchanged(
    path: str, user_text: str, sources: Sources, *, written: Collection[str]
) -> str:
    """The answer to a reply that gives a file back unchanged; empty where the refusal says enough.

    `written` are the paths that this turn has written already.
    """
    if path not in written:
        why = f"{path} would be the same as before"
        said = f"Not written: {why}"
        return about_left_out(path, user_text, sources, why=said) or _one_definition(
            path, user_text, sources, why=why
        )
    missing = asks_for_test(user_text) and not any(map(is_test_path, written))
    return f"{path} is written already. {filled('then_test', what='it')}" if missing else ""


def about_left_out(path: str, user_text: str, sources: Sources, *, why: str) -> str:
    """The request for type hints or docstrings once more, with what lacks them; empty for any other request.

    `why` is the first sentence of it, without its stop.
    """
    text = sources.text(path) or ""
    if not path.endswith(".py"):
        return ""
    _, *words = re.findall(r"\w+", _POLITE.sub("", user_text)) or [""]  # the first one is the verb
    headers = headers_to_annotate(text, words=words) if asks_for_hints(user_text) else ()
    if headers:  # those first that lack most: a small model often gives the first one alone
        headers = tuple(sorted(headers, key=lambda header: -header.count("...")))
        listed = "\n".join(headers[:_MOST_HEADERS])
        return filled("then_hints", why=why, path=path, headers=listed, request=user_text)
    stubs = stubs_to_document(text, words=words) if asks_for_docstrings(user_text) else ()
    if stubs:
        listed = "\n\n\n".join(stubs[:_MOST_HEADERS])
        return filled("then_docstrings", why=why, path=path, headers=listed, request=user_text)
    return ""


def begun_with(told: str, path: str) -> Beginning | None:
    """The beginning of the reply to `about_left_out`: the first header up to what it lacks."""
    begun = begun_header(told.partition("```\n")[2].partition("\n```")[0], path)
    return Beginning(text=begun, alone=False) if begun is not None else None


def begun_header(listed: str, path: str) -> str | None:
    """The beginning of a reply: the first header up to what it lacks; None where none can be begun."""
    found = _DOTS.search(listed)
    first, dots = (listed[: found.end() - 3], "...") if found else ("", "")
    holder, colon, header = first.partition(": ")
    if not dots or "." in holder.partition("(")[0]:
        return None
    if colon and header.lstrip().startswith(("def ", "async def ")) and "(" not in holder:
        first = f"class {holder}:\n    {header}"
    return f"{path}\n```python\n{first}"


def about_unasked(path: str, user_text: str, sources: Sources) -> str:
    """The answer to a reply that writes a file which is not asked for; empty where no definition is named."""
    why = f"the request does not ask for {path}"
    code = [each for each in subject_files(user_text, sources) if not is_test_path(each)]
    told = (_one_definition(each, user_text, sources, why=why) for each in code)
    return next(filter(None, told), "")


def _one_definition(path: str, user_text: str, sources: Sources, *, why: str) -> str:
    """The request once more with the one definition that it names; empty if it names none or several.

    A small model that gives a whole file back as it was changes one function when it sees it alone.
    """
    text = sources.text(path) or ""
    words = set(re.findall(r"\w+", user_text))
    found = definitions(text) if path.endswith(".py") else {}
    named = [name for name in found if name.rpartition(".")[2] in words]
    if len(named) != 1:
        return ""
    return filled(
        "then_change",
        path=path,
        why=why,
        definition=named[0],
        code=source_of(text, found[named[0]]),
        request=user_text,
    )


def may_vanish(request: str) -> frozenset[str]:
    """The names that a change may lose: those of the request, unless it only adds something to them."""
    only_adds = _ADDS.match(request) and not _TAKES.search(request)
    return frozenset() if only_adds else frozenset(re.findall(r"\w+", request))
