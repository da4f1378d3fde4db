"""Takes from a reply only the docstrings or the type hints, where a request asks for nothing else."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from agent.editing.annotating import with_docstrings_of, with_hints_of
from agent.editing.python_source import definitions, imports, parse_python
from agent.reply.parsed import FileEdit
from agent.turn.imports import newly_undefined

_VERB = re.compile(
    r"^\W*(?:@\S+\s+)?(?:(?:please|now|can you|could you)\s+)*"
    r"(?P<verb>add|annotate|complete|create|document|generate|give|insert|put|write)\b",
    re.IGNORECASE,
)
_LONGEST = 40_000
_LIMITS = re.compile(
    r"\b(?:but|except|first|last|missing|module|not|only|other|parameters?|public|returns?|some|top)\b",
    re.IGNORECASE,
)
_HEAD = re.compile(r"\s*(?:async )?def \w+\([^\n]*:\s*")
_TOKEN = re.compile(r"[\w./-]+")
_DOCSTRING, _DOCSTRINGS = "docstring", "docstrings"
_HINTS = frozenset(["annotation", "annotations", "hint", "hints", "types"])
_TYPES = re.compile(r"\btype[ -]?hints?\b|\bannotat\w+|\bhints\b|\btypes\b", re.IGNORECASE)
_PLAIN = re.compile(
    r"a|all|also|an|and|any|as|brief|class|classes|code|concise|each|every|everything|everywhere"
    r"|file|for|function|functions|good|google|in|it|its|me|method|methods|missing|module|modules"
    r"|now|numpy|of|on|or|please|proper|public|short|some|style|thanks|the|their|them|this|to|too"
    r"|type|well|with",
    re.IGNORECASE,
)
"""Words that ask for nothing beside docstrings and hints."""
_ALL = frozenset(["all", "any", "each", "every", "everything", "everywhere"])
_MEMBERS = frozenset(["methods", _DOCSTRINGS, *_HINTS])


def asks_for_hints(request: str) -> bool:
    """True if a request is for type hints."""
    found = _VERB.match(request)
    words = {token.strip(".-").lower() for token in _TOKEN.findall(request)}
    return found is not None and (
        found["verb"].lower() == "annotate" or not _HINTS.isdisjoint(words)
    )


def named_for_hints(request: str, path: str, source: str) -> Collection[str]:
    """The definitions of a file whose type hints a request asks for, by name, if it asks for nothing else."""
    found = _VERB.match(request)
    if found is None or found["verb"].lower() == "document" or not _TYPES.search(request):
        return ()
    tokens = [token.strip(".-") for token in _TOKEN.findall(request[found.end() :])]
    others = {_DOCSTRING, _DOCSTRINGS, "as", "class", "of"} & {token.lower() for token in tokens}
    known = definitions(source)
    asks_more = others or not _asks_no_more(tokens, path, known)
    return () if asks_more else _named(tokens, known)


def asks_for_whole_file(request: str, path: str, source: str) -> bool:
    """True if a request for docstrings or hints is about all of a file, and says nothing that limits it."""
    found = _VERB.match(request)
    if found is None or _LIMITS.search(request):
        return False
    tokens = [token.strip(".-") for token in _TOKEN.findall(request[found.end() :])]
    known = definitions(source)
    stem = path.rpartition("/")[2].partition(".")[0]
    names_file = any(token == stem or token.endswith(f"{stem}.py") for token in tokens)
    return names_file and not _named(tokens, known) and _asks_no_more(tokens, path, known)


def with_bodies(text: str) -> str:
    """The text of a reply with dots as the body of each function of which it gives the first line alone.

    Asked for type hints, a small model gives the first lines as they were listed; that is no Python without them.
    Edits by SEARCH blocks stay as they are.
    """
    if "<<<<<<<" in text or len(text) > _LONGEST:
        return text
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if not _HEAD.fullmatch(line):
            continue
        rest = (each for each in lines[number + 1 :] if each.strip() and each.lstrip()[0] != "#")
        below = next(rest, "")
        if len(below) - len(below.lstrip()) <= len(line) - len(line.lstrip()):
            lines[number] = f"{line.rstrip()} ..."
    return "\n".join(lines)


def only_asked(edit: FileEdit, before: str | None, request: str) -> FileEdit:
    """The edit with nothing but docstrings or hints, if the request asks for nothing else; else as it is.

    Those of the definitions that the request names are taken, of all if it names none. A reply that
    has none of them stays as it is, for the usual checks to judge, and so does one whose hints need more
    than an import.
    """
    found = _VERB.match(request)
    if found is None or before is None or not edit.path.endswith(".py"):
        return edit
    tokens = [token.strip(".-") for token in _TOKEN.findall(request[found.end() :])]
    words = [token.lower() for token in tokens]
    verb = found["verb"].lower()
    docstrings = verb == "document" or _DOCSTRING in words or _DOCSTRINGS in words
    hints = verb == "annotate" or not _HINTS.isdisjoint(words)
    known = definitions(before)
    if not (docstrings or hints) or not _asks_no_more(tokens, edit.path, known):
        return edit
    text, names = before, _named(tokens, known)
    if docstrings:
        text = with_docstrings_of(edit.content, text, names=names)
    if hints:
        text = with_hints_of(edit.content, text, names=names)
    if text in (before, edit.content) or parse_python(text) is None:
        return edit
    plain = {each.name for each in imports(edit.content) if each.name == each.alias}
    if not set(newly_undefined(before, text)) <= plain:
        return edit
    return replace(edit, content=text, exact=True)


def _asks_no_more(tokens: Collection[str], path: str, known: Collection[str]) -> bool:
    """True if each word is about docstrings, hints, a definition of the file, or the file."""
    own = {part for name in known for part in name.split(".")} | set(known)
    stem = path.rpartition("/")[2].partition(".")[0]
    return all(
        _PLAIN.fullmatch(token) is not None
        or token.lower() in (_DOCSTRING, _DOCSTRINGS)
        or token.lower() in _HINTS
        or token in own
        or token == stem
        or token in path
        for token in tokens
    )


def _named(tokens: Collection[str], known: Collection[str]) -> list[str]:
    """The qualified names that a request names; a class stands for its methods where several are meant."""
    words = {token.lower() for token in tokens}
    if words & _ALL and not words & {"methods"}:
        return []
    asked = {token for token in tokens if _PLAIN.fullmatch(token) is None}
    found = [name for name in known if name in asked or name.rpartition(".")[2] in asked]
    if words & _MEMBERS:
        found += [name for name in known if any(name.startswith(f"{each}.") for each in found)]
    return list(dict.fromkeys(found))
