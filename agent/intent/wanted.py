"""The kinds of messages, and what each may do."""

from __future__ import annotations

from enum import StrEnum


class Wanted(StrEnum):
    """The thing that a message wants."""

    QUESTION = "question"
    EXPLAIN = "explain"
    """An explanation of a failure."""
    EDIT = "edit"
    NEW = "new"
    RENAME = "rename"
    """A definition or a file that is renamed or moved."""
    REPAIR = "repair"
    RUN = "run"
    COMMAND = "command"

    @property
    def may_write(self) -> bool:
        """False for messages after which no file changes, whatever the model says."""
        return self in (Wanted.EDIT, Wanted.NEW, Wanted.RENAME, Wanted.REPAIR)

    @property
    def words(self) -> str:
        """The kind as the person reads it, after "reading this as"."""
        return _WORDS[self]


_WORDS = {
    Wanted.QUESTION: "a question",
    Wanted.EXPLAIN: "a failure to explain",
    Wanted.EDIT: "a change",
    Wanted.NEW: "new code",
    Wanted.RENAME: "a rename or move",
    Wanted.REPAIR: "a repair",
    Wanted.RUN: "something to run",
    Wanted.COMMAND: "a command",
}
