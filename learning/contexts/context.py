"""A verified context of an API: a function that uses it and was run, with its stale twin."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from learning.contexts.use import Span, UseOrigin

FORMAT_VERSION = 1
_LONGEST_LINE = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """A function that ran, returned something and warned of nothing; its stale twin failed."""

    api: str
    """The change, as `ApiChange.api` words it; of a call that did not change its plain name."""
    library: str
    version: str
    origin: UseOrigin
    request: str
    """The task in one sentence."""
    head: str
    """First line of the function."""
    code: str
    """The module: imports and the function."""
    call: str
    value: str
    """The value of the call, as Python shows it."""
    line: str
    """The expression that uses the API, in one line."""
    stale: str = ""
    """The same module with the old API; empty for a call that did not change."""
    error: str = ""
    names: tuple[Span, ...] = ()
    """Places of the new API in `code`."""
    documented: bool = False
    """True if the value is what the documentation says it is."""

    @property
    def id(self) -> str:
        """Digest of what makes a context what it is."""
        return hashlib.sha256(f"{self.api}\0{self.code}\0{self.call}".encode()).hexdigest()[:16]

    @property
    def is_change(self) -> bool:
        """False for a call that did not change."""
        return bool(self.stale)

    @property
    def note(self) -> str:
        """One line that says what to write, for a prompt."""
        return self.line if len(self.line) <= _LONGEST_LINE else ""


class ContextFile:
    """Contexts of one release of a library: one line of JSON each, in a file that only grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, ApiContext]:
        """All contexts by id; lines that cannot be read, or of another format, are left out."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return {}
        found = (context for line in lines if (context := _context(line)) is not None)
        return {context.id: context for context in found}

    def add(self, contexts: Iterable[ApiContext]) -> None:
        """Append the contexts that are not there yet.

        Raises:
            OSError: If the file cannot be written.
        """
        known = self.read()
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.open("a", encoding="utf-8") as file:
            for context in contexts:
                if context.id not in known:
                    file.write(json.dumps({"v": FORMAT_VERSION, **asdict(context)}) + "\n")


def context_files(folder: Path) -> list[ContextFile]:
    """The files of all releases in a folder, in the order of their names."""
    return [ContextFile(path) for path in sorted(folder.glob("*.jsonl"))]


def _context(line: str) -> ApiContext | None:
    try:
        return context_from(json.loads(line))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None


def context_from(record: Mapping[str, Any]) -> ApiContext:
    """The context of a JSON record.

    Raises:
        KeyError, TypeError, ValueError: If it is not one of this format.
    """
    fields = dict(record)
    if fields.pop("v") != FORMAT_VERSION:
        raise ValueError("another format of contexts")
    fields["origin"] = UseOrigin(fields["origin"])
    fields["names"] = tuple((int(start), int(end)) for start, end in fields["names"])
    return ApiContext(**fields)
