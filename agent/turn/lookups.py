"""Commands that only look: answered from the files themselves, without a box.

A weak model asks for a file with `cat`, whatever it was told; taking that as "read this file" is
quicker, and the file then counts as shown, so that an edit of it can be checked.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.fixing.context import fenced
from agent.fixing.sources import Sources
from agent.reply.named import Names

_LINES_SHOWN = 40
_LINE_CAP = 200
_NAMES_SHOWN = 60
_NEVER_IN_PLAIN_WORDS = frozenset("|&;<>$`(){}*?[]\\\n")
_PATTERN_SIGNS = frozenset(".*+?^$[](){}|\\")
_TEST_WORDS = (("pytest",), ("python", "-m", "pytest"), ("python3", "-m", "pytest"))
_TEST_OPTIONS = frozenset({"-q", "-v", "-vv", "-s", "-x", "-rA", "--tb=short", "--tb=long", "."})

Kind = Literal["read", "list", "search", "tests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """One thing to look at."""

    kind: Kind
    arguments: tuple[str, ...] = ()
    """Paths to read, folders to list, or the text to search for and the places to search in."""

    def __str__(self) -> str:
        """The request as it was understood, for the person."""
        match self.kind:
            case "read":
                return f"reading {', '.join(self.arguments)}"
            case "list":
                return f"listing {', '.join(self.arguments) or 'all files'}"
            case "search":
                return f"searching for {self.arguments[0]!r}"
            case "tests":
                return "running all tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp:
    """A lookup's findings, for the model."""

    text: str
    shown: tuple[tuple[str, str], ...] = ()
    """Paths with their whole texts, where files were shown."""


def as_lookups(command: str) -> tuple[Lookup, ...]:
    """The lookups that a command line consists of; empty if it does anything else."""
    found = [_as_lookup(line) for line in command.strip().splitlines() if line.strip()]
    lookups = tuple(item for item in found if item is not None)
    return lookups if len(lookups) == len(found) else ()


def look(
    lookup: Lookup, sources: Sources, *, budget_tokens: int, count: Callable[[str], int]
) -> LookedUp:
    """Answer one lookup within a budget; nothing outside the repository is ever read."""
    match lookup.kind:
        case "read":
            return _read(lookup.arguments, sources, budget_tokens, count)
        case "list":
            return LookedUp(text=_listed(lookup.arguments, sources))
        case "search":
            return LookedUp(text=_searched(lookup.arguments[0], lookup.arguments[1:], sources))
        case "tests":
            return LookedUp(text="The tests are run elsewhere.")


def _as_lookup(line: str) -> Lookup | None:
    words = _words(line)
    if not words:
        return None
    name, options, plain = words[0], _options(words[1:]), _plain(words[1:])
    if name == "cat" and plain and not options:
        return Lookup(kind="read", arguments=plain)
    if name == "ls" and all(set(option) <= set("-alhR1") for option in options):
        return Lookup(kind="list", arguments=plain)
    if name == "grep" and plain and all(set(option) <= set("-rnRIHFE") for option in options):
        is_text = any("F" in option for option in options) or not _PATTERN_SIGNS & set(plain[0])
        return Lookup(kind="search", arguments=plain) if is_text else None
    for start in _TEST_WORDS:
        if tuple(words[: len(start)]) == start and set(words[len(start) :]) <= _TEST_OPTIONS:
            return Lookup(kind="tests")
    return None


def _words(line: str) -> list[str]:
    outside_quotes = re.sub(r"'[^']*'", "", line).replace('"', "")
    if _NEVER_IN_PLAIN_WORDS & set(outside_quotes):
        return []
    try:
        return shlex.split(line)
    except ValueError:
        return []


def _options(words: Sequence[str]) -> tuple[str, ...]:
    end = words.index("--") if "--" in words else len(words)
    return tuple(word for word in words[:end] if word.startswith("-"))


def _plain(words: Sequence[str]) -> tuple[str, ...]:
    end = words.index("--") if "--" in words else len(words)
    return (*(word for word in words[:end] if not word.startswith("-")), *words[end + 1 :])


def _read(
    paths: Sequence[str], sources: Sources, budget_tokens: int, count: Callable[[str], int]
) -> LookedUp:
    parts: list[str] = []
    shown: list[tuple[str, str]] = []
    names = Names(sources.files)
    for asked in paths:
        path = names.existing(asked)
        text = sources.text(path) if path else None
        if text is None:
            others = " or ".join(names.with_name(asked))
            parts.append(
                f"There is no text file {asked}." + (f" Look at {others}." if others else "")
            )
            continue
        part = f"{path}\n{fenced(text, _language(path))}"
        if count(part) > budget_tokens:
            lines = len(text.splitlines())
            parts.append(
                f"{path} has {lines} lines and does not fit into the context;"
                f" look at a part of it: sed -n '1,80p' {shlex.quote(path)}"
            )
            continue
        budget_tokens -= count(part)
        parts.append(part)
        shown.append((path, text))
    return LookedUp(text="\n\n".join(parts), shown=tuple(shown))


def _listed(folders: Sequence[str], sources: Sources) -> str:
    files = sorted(path for path in sources.files if _is_in(path, folders))
    if not files:
        return f"There is no file in {', '.join(folders) or 'the repository'}."
    more = len(files) - _NAMES_SHOWN
    return "\n".join([*files[:_NAMES_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def _searched(text: str, places: Sequence[str], sources: Sources) -> str:
    found: list[str] = []
    more = 0
    for path in sorted(path for path in sources.files if _is_in(path, places)):
        for number, line in enumerate((sources.text(path) or "").split("\n"), start=1):
            if text not in line:
                continue
            if len(found) < _LINES_SHOWN:
                found.append(f"{path}:{number}: {line.strip()[:_LINE_CAP]}")
            else:
                more += 1
    if not found:
        return f"No file has {text!r}."
    return "\n".join([*found, *([f"and {more} more lines"] if more else [])])


def _is_in(path: str, places: Sequence[str]) -> bool:
    """True if a file is one of these, or inside one of them; no place means everywhere."""
    plain = [place.removeprefix("./").strip("/") for place in places]
    return not plain or any(
        place in ("", ".", path) or path.startswith(f"{place}/") for place in plain
    )


def _language(path: str) -> str:
    return {"py": "python", "md": "markdown"}.get(path.rpartition(".")[2], "")
