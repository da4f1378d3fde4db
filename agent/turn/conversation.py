"""The append-only history of a session, and the files that the user put into it."""

from __future__ import annotations

from collections.abc import Sequence

from learning.records import Message


class Conversation:
    """Messages are only ever added, so the model server can keep what it has read.

    Remembers which text of a file the model was shown last: that is what an edit is checked
    against, and a file is shown again only when it has changed.
    """

    def __init__(self, messages: Sequence[Message] = ()) -> None:
        self._messages = list(messages)
        self._added: list[str] = []
        self._shown: dict[str, str] = {}

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(self._messages)

    @property
    def added_files(self) -> tuple[str, ...]:
        return tuple(self._added)

    def append(self, message: Message) -> None:
        self._messages.append(message)

    def add_file(self, path: str) -> None:
        """Show this file to the model from the next turn on (`/add`)."""
        if path not in self._added:
            self._added.append(path)

    def drop_file(self, path: str) -> None:
        """Stop showing this file when it changes (`/drop`); what was said stays said."""
        if path in self._added:
            self._added.remove(path)

    def mark_shown(self, path: str, text: str) -> None:
        """Note that the model has seen, or written, this text of a file."""
        self._shown[path] = text

    def shown_text(self, path: str) -> str | None:
        """The text of a file that the model saw last; None if it saw none."""
        return self._shown.get(path)
