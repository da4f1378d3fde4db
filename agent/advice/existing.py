"""The names that exist where an error says that one does not: asked once of the installed release.

An image holds one release of each library, so the names are kept by image on disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agent.advice.failure import FailureContext
from agent.advice.python import introspection, read_answers
from agent.advice.python_questions import python_questions
from agent.editing.source_files import SourceFileError, write_atomically
from sandbox.box.contract import Sandbox, SandboxError

_FORMAT = 2
_MOST_CACHED = 200
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingNames:
    """Names of the installed release in the place of one that it does not have."""

    library: str = ""
    """The library with its version; empty if nothing was asked."""
    successors: tuple[str, ...] = ()
    """Names that it gives instead, the likeliest first; dotted where something moved."""
    names: tuple[str, ...] = ()
    """All public names of the module, class or call."""
    kinds: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Types of a call's defaults, by parameter, where they are plain values."""
    statement: str = ""
    """The import that defines a name which is used and not defined."""


AskNames = Callable[[FailureContext], Awaitable[ExistingNames]]
"""Asks the environment which names exist."""


class NamesThere:
    """Asks which names exist, in a sandbox, and keeps the answers."""

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        image: str,
        cache: Path,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._sandbox = sandbox
        self._image = image
        self._cache = cache
        self._say = say

    async def about(self, failure: FailureContext) -> ExistingNames:
        """The names for a failure; none where it is not about a library's name.

        A sandbox without an answer costs the names, never the job: only a notice is emitted.
        """
        questions = python_questions(failure)
        if not questions:
            return ExistingNames()
        about = f"{_FORMAT}\n{self._image}\n{json.dumps(questions)}"
        key = hashlib.sha256(about.encode()).hexdigest()[:16]
        known = await asyncio.to_thread(self._read)
        if key in known:
            return known[key]
        nonce = secrets.token_hex(8)
        try:
            answers = read_answers(await self._sandbox.run(introspection(questions, nonce)), nonce)
        except SandboxError as err:
            self._say(f"the installed libraries could not be asked for their names: {err}")
            return ExistingNames()
        if answers is None:
            return ExistingNames()
        found = existing_names(answers)
        await asyncio.to_thread(self._write, {**known, key: found})
        return found

    def _read(self) -> dict[str, ExistingNames]:
        try:
            data = json.loads(self._cache.read_text("utf-8"))
            return {str(key): _read_names(item) for key, item in data.items()}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return {}  # a cache that cannot be read is asked again

    def _write(self, known: Mapping[str, ExistingNames]) -> None:
        newest = dict(list(known.items())[-_MOST_CACHED:])
        text = json.dumps({key: _as_record(item) for key, item in newest.items()})
        try:
            write_atomically(self._cache, text.encode())
        except (OSError, SourceFileError) as err:
            self._say(f"the libraries' names were not kept: {err}")


def existing_names(answers: Sequence[Mapping[str, Any]]) -> ExistingNames:
    """The names in the answers of `introspect.py`; the first answer that has any counts."""
    for answer in answers:
        names = _texts(answer.get("names"))
        holder = str(answer.get("subject", ""))
        near = [str(item.get("name", "")) for item in _items(answer.get("near"))]
        library = f"{answer.get('library', '')} {answer.get('version', '')}".strip()[:_LONGEST_NAME]
        match answer.get("kind"):
            case "attribute" | "module":
                successors = [name.removeprefix(f"{holder}.") for name in near]
            case "call":
                successors = list(_texts(answer.get("parameters")))
            case "name" if near:
                return ExistingNames(library=library, statement=_statement(near[0]))
            case _:
                continue
        usable = tuple(filter(_is_dotted, successors))
        if usable or names:
            kinds = _kinds(answer.get("kinds"))
            return ExistingNames(library=library, successors=usable, names=names, kinds=kinds)
    return ExistingNames()


def _statement(text: str) -> str:
    """An import statement as it stands in an answer; empty if it is anything else."""
    words = text.split()
    plain = all(map(_is_dotted, words)) and len(words) <= 4  # noqa: PLR2004 - from a import b
    return text if plain and words[:1] in (["import"], ["from"]) else ""


def _is_dotted(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and all(part.isidentifier() for part in text.split("."))


def _texts(value: object) -> tuple[str, ...]:
    found = value if isinstance(value, list) else []
    return tuple(item for item in found if isinstance(item, str) and _is_dotted(item))


def _kinds(value: object) -> dict[str, str]:
    found = value.items() if isinstance(value, dict) else ()
    return {k: v for k, v in found if isinstance(k, str) and isinstance(v, str)}


def _items(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _as_record(item: ExistingNames) -> dict[str, object]:
    return {
        "library": item.library,
        "successors": item.successors,
        "names": item.names,
        "kinds": dict(item.kinds),
        "statement": item.statement,
    }


def _read_names(item: Mapping[str, Any]) -> ExistingNames:
    return ExistingNames(
        library=str(item["library"]),
        successors=_texts(item["successors"]),
        names=_texts(item["names"]),
        kinds=_kinds(item["kinds"]),
        statement=_statement(str(item["statement"])),
    )
