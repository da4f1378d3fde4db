"""The message that opens a turn: what the model is shown besides the request."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.context.finding import FoundPart, drawn_part, find_parts
from agent.context.repository_map import Cartographer
from agent.editing.source_files import is_test_path
from agent.fixing.context import estimate_tokens
from agent.fixing.sources import Sources
from agent.intent.rules import changes_asked
from agent.intent.wanted import Wanted
from agent.prompt_files import prompt
from agent.turn.conversation import Conversation
from agent.turn.needed import subject_files
from agent.turn.tools import file_names, show_files

_MOST_MAP_TOKENS = 800
_MOST_FOUND_TOKENS = 1000
_MOST_SUBJECTS = 2
_TEST_ALONE = re.compile(
    r"^\W*(?:(?:please|now|can you|could you)\s+)*(?:add|write|create|generate|make)\s+(?:\w+\s+){0,3}?tests?\b"
    r"(?!.*\band (?:a|the) (?:function|method|class))",
    re.IGNORECASE,
)
"""A request for tests and nothing else."""
_UNTESTED = (
    r"(?:nobody|no one|nothing|we|i)(?:'ve| have| has)? (?:ever |never |not )?(?:writes?|wrote|written|tests?|tested|adds?|added)\b[^.,;!?\n]{0,60}"
    r"|[\w.`]+(?:\(\))?(?: in [\w./-]+)? (?:(?:is|are)(?:n't| not) (?:\w+ )?tested|(?:is|are) (?:\w+ )?untested|has no tests?|lacks tests)(?: at all| yet)?"
    r"|there (?:are|is) no tests? (?:for|of) [^.,;!?\n]{1,60}"
)
_TESTS_BEHIND = re.compile(
    rf"^(?:(?:hi|hello|hey)[!,.]? )?(?:{_UNTESTED})[.,;!?:-]* "
    r"(?:(?:and|so|then|please|pls|can you|could you|would you|will you)\s+)*(?:add|create|generate|provide|write)\s+(?:me\s+)?"
    r"(?:(?:(?:an?|few|good|more|proper|some|unit)\s+)*tests?(?= for\b| please| pls|[.,;:!?]|$)|(?:a few|one|some|that|them|those)(?=[.,;:!?]|$| please| pls))",
    re.IGNORECASE,
)
"""As much behind a remark, of closed forms: `f isn't tested. write some tests for it`, `nobody tests f, can you add some`."""
_NO_TEST = re.compile(
    r"\btests?\s+(?!and\b|around\b|at\b|case|covering\b|file|for\b|function|in\b|of\b|on\b|please\b|pls\b|suite\b|that\b|to\b"
    r"|where\b|which\b|with\b)[a-z]|\band (?:implement|make)\b|\b(?:docstrings?|hints)\b"
    r"|\b\w+(?:\(\))? (?:also |then )?(?:must|should) (?:also |then )?(?:accept|allow|be able|become|give|handle|ignore|return|skip|support|take)\b"
    r"|\band (?:handle|let|support)\b",
    re.IGNORECASE,
)
"""Words by which a request for tests asks for more, or in which a test is no test."""

_POLITE = r"^\W*(?:@\S+\s+)?(?:(?:please|now|can you|could you)\s+)*"
_FILE = re.compile(r"[\w/-]\.([A-Za-z]\w{0,4})\b(?!\()")
_TEXT_ENDINGS = frozenset(
    [
        ".md",
        ".rst",
        ".txt",
        ".toml",
        ".yml",
        ".yaml",
        ".json",
        ".ini",
        ".cfg",
        ".csv",
        ".html",
        ".css",
    ]
)
_WRITES = re.compile(
    rf"{_POLITE}(?:add|append|bump|change|correct|delete|describe|document|fix|insert|mention|put|remove|replace"
    r"|set|update|write)\b",
    re.IGNORECASE,
)
_CODE_NAME = re.compile(r"\w\(|\b[A-Za-z]+_\w+")
_DOCUMENTS = re.compile(
    rf"{_POLITE}(?:document\b|(?:add|write|give|insert|put|generate|create)\b.*\bdocstrings?\b)",
    re.IGNORECASE,
)
"""A request for docstrings; a small model takes "document" for a wish to be told about the code."""


@dataclass(kw_only=True)
class Background:
    """Facts about the repository besides its files."""

    instructions: str = ""
    """The project's own words (AGENTS.md), shown once at the start of a history."""
    cartographer: Cartographer | None = field(default_factory=Cartographer)
    """Makes the map of signatures; None for no map."""
    notes: Callable[[str, str], str] = lambda _request, _code: ""
    """Gives verified lines about the libraries that a request and the shown code need (`agent.contexts.notes`)."""
    mapped_for: tuple[str, ...] | None = None
    """The subject of the last map; None before the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The text that opens a turn."""

    text: str
    too_large: tuple[str, ...]
    """Files that were asked for and did not fit."""
    looked_at: tuple[str, ...] = ()
    """The places of the functions that were found for it, each as `path:line name`."""


def open_turn(
    conversation: Conversation,
    user_text: str,
    sources: Sources,
    background: Background,
    *,
    budget_tokens: int,
    wanted: Wanted | None = None,
    facts: str = "",
) -> Opening:
    """The request, with the summary, instructions, files and map that it needs. Blocks.

    Marks what it shows. Files come whole or not at all; the map gets a part of what is left. Where
    nothing may be written (`wanted`), the functions that the request is about come, too; `facts` are
    what was seen for it already.
    """
    is_first = not conversation.messages
    parts = [conversation.summary] if conversation.summary else []
    if is_first and background.instructions:
        parts.append(f"The project's own instructions:\n{background.instructions}")
    parts += [overheard] if (overheard := conversation.take_overheard()) else []
    budget_tokens = max(0, budget_tokens - sum(map(estimate_tokens, [*parts, facts])))
    shown = show_files(
        conversation,
        user_text,
        sources,
        budget_tokens=budget_tokens,
        count=estimate_tokens,
        also=_needed(user_text, sources, wanted),
    )
    left = budget_tokens - (estimate_tokens(shown.text) if shown.text else 0)
    found = _found(user_text, facts, sources, conversation, wanted, budget=left)
    left -= sum(estimate_tokens(part.text) for part in found)
    for part in found:
        if not part.name:
            conversation.mark_shown(part.path, part.text)
    drawn = _map(conversation, user_text, sources, background, is_first=is_first, budget=left)
    if drawn:
        parts.append(drawn)
    if is_first and not shown.wanted:
        parts.append(file_names(sources.files))
    told = background.notes(user_text, shown.text).strip("\n")
    parts += [*map(drawn_part, found), shown.text, facts, user_text]
    parts += [told if estimate_tokens(told) <= left else "", tail_of(wanted, user_text)]
    return Opening(
        text="\n\n".join(part for part in parts if part),
        too_large=shown.too_large,
        looked_at=tuple(part.place for part in found),
    )


def asks_for_test(user_text: str) -> bool:
    """True if a request asks for a test, alone or beside something else."""
    return re.search(r"\b(?:unit |regression )?tests?\b", user_text, re.IGNORECASE) is not None


def is_for_tests(wanted: Wanted | None, user_text: str) -> bool:
    """True for a request for new tests and nothing else."""
    if wanted is Wanted.NEW and _TEST_ALONE.match(user_text):
        return True
    return wanted in (Wanted.NEW, Wanted.EDIT) and _TESTS_BEHIND.match(user_text) is not None


def forbids_code(wanted: Wanted | None, user_text: str) -> bool:
    """True if it is certain that a request is for tests alone, so that no other code may be written for it."""
    return (
        is_for_tests(wanted, user_text)
        and not _NO_TEST.search(user_text)
        and changes_asked(user_text) == 1
    )


def tail_of(wanted: Wanted | None, user_text: str) -> str:
    """The words behind a request that say which form its answer has: a small model heeds the last ones."""
    match wanted:
        case Wanted.QUESTION | Wanted.EXPLAIN:
            return prompt("tail_question" if wanted is Wanted.QUESTION else "tail_explain")
        case Wanted.EDIT | Wanted.NEW if writes_text(user_text):
            return prompt("tail_text")
        case Wanted.EDIT | Wanted.NEW if is_for_tests(wanted, user_text):
            return prompt("tail_test")
        case Wanted.NEW | Wanted.EDIT | Wanted.REPAIR | Wanted.RENAME:
            if wanted is not Wanted.NEW and asks_for_docstrings(user_text):
                return prompt("tail_document")
            return prompt("tail_new" if wanted is Wanted.NEW else "tail_change")
        case _:
            return ""


def asks_for_docstrings(user_text: str) -> bool:
    """True if a request is for docstrings."""
    return _DOCUMENTS.search(user_text) is not None


def writes_text(user_text: str) -> bool:
    """True if a request is to write into files that it names, and names no code."""
    files = _FILE.findall(user_text)
    is_text = bool(files) and all(f".{ending.lower()}" in _TEXT_ENDINGS for ending in files)
    return is_text and bool(_WRITES.match(user_text)) and not _CODE_NAME.search(user_text)


def _needed(user_text: str, sources: Sources, wanted: Wanted | None) -> tuple[str, ...]:
    """The files that define what a change is about, where the request does not name the files."""
    if wanted is None or not wanted.may_write:
        return ()
    files = subject_files(user_text, sources)
    return tuple(path for path in files if not is_test_path(path))[:_MOST_SUBJECTS]


def _found(
    user_text: str,
    facts: str,
    sources: Sources,
    conversation: Conversation,
    wanted: Wanted | None,
    *,
    budget: int,
) -> tuple[FoundPart, ...]:
    """The functions that a message is about, unless the files with them are shown anyway."""
    if wanted is None:
        return ()
    shown = conversation.shown_files
    if wanted.may_write and (shown or subject_files(user_text, sources)):
        return ()
    return find_parts(
        f"{user_text}\n{facts}",
        sources,
        budget_tokens=min(_MOST_FOUND_TOKENS, budget // 2),
        count=estimate_tokens,
        without=[path for path, text in shown.items() if sources.text(path) == text],
    )


def _map(
    conversation: Conversation,
    user_text: str,
    sources: Sources,
    background: Background,
    *,
    is_first: bool,
    budget: int,
) -> str:
    """A map at the start of a history, and again when a new failure is about other files."""
    if background.cartographer is None or not (
        is_first or conversation.focus not in ((), background.mapped_for)
    ):
        return ""
    background.mapped_for = conversation.focus
    found = background.cartographer.draw(
        sources,
        budget_tokens=min(_MOST_MAP_TOKENS, budget // 3),
        count=estimate_tokens,
        request=user_text,
        focus=conversation.focus,
        without=tuple(conversation.shown_files),
    )
    return f"Signatures of the repository:\n{found.text}" if found.text else ""
