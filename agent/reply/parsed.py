"""Values for all that a reply can ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from agent.reply.search_replace import Patch

Finish = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEdit:
    """A whole file as the model wants it, with Unix line ends."""

    path: str
    content: str
    exact: bool = False
    """True if the content is the file to the last character, not a copy that a model made."""
    label_line: str = ""
    """The first line in the fence, where it was taken for the label."""

    def beside(self, before: str | None) -> FileEdit:
        """The edit of a file whose text begins with the very line that was taken for the label."""
        first = (before or "").partition("\n")[0].strip()
        if not first or first != self.label_line.strip():
            return self
        return replace(self, content=f"{self.label_line}\n{self.content}", label_line="")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEdits:
    """One or more whole files; at most one edit for each path."""

    edits: tuple[FileEdit, ...]
    prose: str = ""
    command: str = ""
    """A command that the reply wants to be run after the edits."""
    notes: tuple[str, ...] = ()
    """Notes for the person on parts that were read differently from the reply's wording."""
    patches: tuple[Patch, ...] = ()
    """Changes given as SEARCH/REPLACE blocks, where those are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCommand:
    """Commands to run in the sandbox."""

    command: str
    prose: str = ""
    notes: tuple[str, ...] = ()
    """Notes for the person on other blocks that may be meant for a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainAnswer:
    """Prose that asks for nothing."""

    text: str
    notes: tuple[str, ...] = ()
    """Notes for the person on blocks that may be meant for a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A reply that cannot be acted on; the reason can be told to the model."""

    kind: Literal[
        "empty", "cut_off", "no_code", "no_path", "unknown_file", "patch", "broken_call", "label"
    ]
    reason: str


ParsedReply = FileEdits | ShellCommand | PlainAnswer | Unusable
