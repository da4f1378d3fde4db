"""Notes on APIs before a first attempt: which verified lines a request, and the code at hand, need.

One line an API, the most fitting ones within a budget. Choosing by the library alone broke as much as it
mended, because a small model pays for every line of its prompt.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from agent.contexts.rows import note_line
from agent.editing.python_source import imports
from agent.prompt_files import filled
from agent.words import stem
from learning.contexts.context import ContextFile
from learning.contexts.notes import LibraryNote, TeamNotes

MOST_NOTES = 3
MOST_TOKENS = 160
_CHARACTERS_A_TOKEN = 3.5
_K1 = 1.2
_B = 0.75
_LEAST = 3.0
"""Lowest score of a note, in the units of BM25: below it, only common words are shared."""
_LIBRARY = 30
"""Fewest APIs that a library is taken to have, so that words are rare in one of which little is known."""
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "the and for that with this from are its one all each python function library "
        "return returns given write reply whole imports fenced code block which into "
        "their other not def import int str list dict float bool none self ",
    )
)
_USUAL = {"np": "numpy", "pd": "pandas", "pl": "polars", "nx": "networkx"}


class Noted(Protocol):
    """Something that says how an API is used: a verified context, or a note of the team."""

    @property
    def library(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def api(self) -> str: ...

    @property
    def request(self) -> str: ...

    @property
    def note(self) -> str: ...

    @property
    def is_change(self) -> bool: ...


def notes_for(
    text: str,
    contexts: Sequence[Noted],
    *,
    code: str = "",
    most: int = MOST_NOTES,
    max_tokens: int = MOST_TOKENS,
) -> str:
    """Notes for a request and the code at hand, ready to stand behind the request; empty without any.

    Only APIs of libraries that the code imports or the request names are considered.
    """
    libraries = libraries_in(text, code)
    near = [each for each in contexts if each.library in libraries]
    lines: list[str] = []
    releases: dict[str, None] = {}
    for context in _best(f"{text}\n{code}", near)[:most]:
        line = note_line(context.api, context.note)
        if sum(map(len, [*lines, line])) > max_tokens * _CHARACTERS_A_TOKEN:
            break
        lines.append(line)
        releases[f"{context.library} {context.version}".strip()] = None
    if not lines:
        return ""
    notes = "\n".join(lines)
    return filled("library_notes", release=", ".join(releases), notes=notes) + "\n"


def note_maker(folder: Path) -> Callable[[str, str], str]:
    """Notes from the contexts in a folder; of several releases of a library the one built last counts.

    What the team knows besides is added, of the latest release that anybody noted.
    """
    newest: dict[str, Path] = {}
    for path in sorted(folder.glob("*.jsonl"), key=lambda each: each.stat().st_mtime):
        newest[path.stem.rpartition("-")[0]] = path
    contexts: list[Noted] = [
        each for path in newest.values() for each in ContextFile(path).read().values()
    ]
    here = {each.api for each in contexts}
    contexts += [each for each in latest(TeamNotes(folder).read()) if each.api not in here]

    def notes(request: str, code: str) -> str:
        return notes_for(request, contexts, code=_python_in(code)) if contexts else ""

    return notes


def latest(notes: Sequence[LibraryNote]) -> Collection[LibraryNote]:
    """One note of each change, of the latest release."""
    return {each.api: each for each in sorted(notes, key=_release)}.values()


def _release(note: LibraryNote) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", note.version)))


def _python_in(text: str) -> str:
    """The import lines of shown files, which may be cut or stand between other words."""
    lines = re.findall(r"^(?:import|from) \w[^\n]*$", text, re.MULTILINE)
    return "\n".join(line for line in lines if "(" not in line)


def libraries_in(text: str, code: str) -> frozenset[str]:
    """Top-level names of modules that code imports, and every word of a request: it may name one."""
    imported = {each.module.partition(".")[0] for each in imports(code)}
    words = {word.lower() for word in re.findall(r"[A-Za-z_]\w+", text)}
    aliases = {name for alias, name in _USUAL.items() if f"{alias}." in text}
    return frozenset(imported | words | aliases | ({"sklearn"} if "scikit" in words else set()))


def _best(text: str, contexts: Sequence[Noted]) -> list[Noted]:
    """One context of each changed API that shares telling words with the text, the most fitting first.

    The scores are BM25 over one document an API: its names, old and new, and its requests. APIs that did
    not change count as documents, too, so that a word is known to be rare or common in the library.
    """
    by_api: dict[str, list[Noted]] = {}
    for each in contexts:
        by_api.setdefault(each.api, []).append(each)
    documents = {api: _document(api, group) for api, group in by_api.items()}
    query = set(_words(text))
    scores = _bm25(query, documents)
    usable = {api: [c for c in group if c.is_change and c.note] for api, group in by_api.items()}
    chosen = [api for api, group in usable.items() if group and scores[api] >= _LEAST]
    chosen.sort(key=lambda api: -scores[api])
    return [_shortest(usable[api], query) for api in chosen]


def _document(api: str, group: Sequence[Noted]) -> Counter[str]:
    counts = Counter(_words(api))
    for request in {each.request for each in group}:
        counts.update(_words(request))
    return counts


def _bm25(query: Collection[str], documents: Mapping[str, Counter[str]]) -> dict[str, float]:
    sizes = {api: sum(words.values()) for api, words in documents.items()}
    usual = sum(sizes.values()) / max(1, len(sizes))
    holding = Counter(word for words in documents.values() for word in words)
    number = max(len(documents), _LIBRARY)
    scores = dict.fromkeys(documents, 0.0)
    for api, words in documents.items():
        for word in query & words.keys():
            rare = math.log(1 + (number - holding[word] + 0.5) / (holding[word] + 0.5))
            weight = words[word] * (_K1 + 1)
            scores[api] += rare * weight / (words[word] + _K1 * (1 - _B + _B * sizes[api] / usual))
    return scores


def _shortest(group: Sequence[Noted], query: Collection[str]) -> Noted:
    """The context with the most words of the query in its line, the shorter one of equals."""
    return min(
        group, key=lambda c: (-len(set(_words(c.note)) & set(query)), _depth(c.note), len(c.note))
    )


def _depth(line: str) -> int:
    try:
        return sum(1 for _ in ast.walk(ast.parse(line)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return len(line)


def _words(text: str) -> list[str]:
    """Lower-case words of a text, identifiers in their parts, without endings and common words."""
    found = []
    for word in re.findall(r"[A-Za-z][a-z]+|[A-Z]+(?![a-z])", text.replace("_", " ")):
        lower = word.lower()
        if len(lower) > 2 and lower not in _COMMON:  # noqa: PLR2004 - shorter words tell nothing
            found.append(stem(lower))
    return found
