"""The append-only history of a session, and the files that the user put into it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from learning.records import Message, Role

INTERRUPTED = "(interrupted)"
"""Stands in the history for a reply that was stopped before it said anything."""
NOT_USABLE = "Sorry, that answer was of no use."
"""Stands in the history for a reply that was asked for again: a small model repeats what it sees."""
OUTSIDE = "Output of the tool"
"""The words before what a tool of an MCP server gave, which is never learned from."""
_MOST_OVERHEARD = 3
"""The last results of the person's own commands that the next request carries."""


class Conversation:
    """Messages are only ever added, so the model server can keep what it has read.

    The one exception is `compact`, which begins a new history with a summary of the old one.
    Remembers which text of a file the model was shown last: that is what an edit is checked
    against, and a file is shown again only when it has changed.
    """

    def __init__(
        self,
        messages: Sequence[Message] = (),
        *,
        on_append: Callable[[Message], object] = lambda _: None,
    ) -> None:
        self._messages = list(messages)
        self._on_append = on_append
        self._on_compact: Callable[[str], object] = lambda _: None
        self._added: list[str] = []
        self._shown: dict[str, str] = {}
        self._requests: list[str] = []
        self._changed: list[str] = []
        self._focus: tuple[str, ...] = ()
        self._summary = ""
        self._overheard: list[str] = []

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(self._messages)

    @property
    def added_files(self) -> tuple[str, ...]:
        return tuple(self._added)

    @property
    def requests(self) -> tuple[str, ...]:
        """The person's own words, one text for each turn."""
        return tuple(self._requests)

    @property
    def request(self) -> str:
        """The person's last words; empty before the first."""
        return self._requests[-1] if self._requests else ""

    @property
    def changed_files(self) -> tuple[str, ...]:
        """The files that were written, in order, each once."""
        return tuple(dict.fromkeys(self._changed))

    @property
    def focus(self) -> tuple[str, ...]:
        """The files that the last failure was about."""
        return self._focus

    @property
    def summary(self) -> str:
        """The text that the next message begins with, after the history was compacted."""
        return self._summary

    def listen(
        self, on_append: Callable[[Message], object], on_compact: Callable[[str], object]
    ) -> None:
        """Tell these, at once, of every message and of every new history from now on."""
        self._on_append, self._on_compact = on_append, on_compact

    def append(self, message: Message) -> None:
        """Add a message; one of the user carries any summary with it, so that is done with."""
        if message.role == "user":
            self._summary = ""
        self._messages.append(message)
        self._on_append(message)

    def say(self, role: Role, text: str) -> None:
        """Append a message."""
        self.append(Message(role=role, content=text))

    def asked(self, text: str) -> None:
        """Note what the person asked for; nothing, if that is noted already."""
        if text:
            self._requests.append(text)

    def changed(self, path: str) -> None:
        """Note that a file was written."""
        self._changed.append(path)

    def overhear(self, text: str) -> None:
        """Note what a command of the person's own gave; the next request carries it along."""
        self._overheard = [*self._overheard, text][-_MOST_OVERHEARD:]

    @property
    def holds_outside(self) -> bool:
        """True if the output of an MCP server's tool is in it, or in what it summarises."""
        texts = [*self._overheard, self._summary, *(said.content for said in self._messages)]
        return any(OUTSIDE in text for text in texts)

    def take_overheard(self) -> str:
        """Hand out the texts that were overheard since the last request; each is given once."""
        taken, self._overheard = self._overheard, []
        return "\n\n".join(taken)

    def look_at(self, paths: Collection[str]) -> None:
        """Note which files a failure is about; no paths change nothing."""
        if paths:
            self._focus = tuple(paths)

    def compact(self, summary: str) -> None:
        """Begin a new history; its first message will carry the summary, and files anew."""
        if self.holds_outside:
            summary += f"\n({OUTSIDE} of an MCP server was read before.)"
        self._messages.clear()
        self._shown.clear()
        self._summary = summary
        self._on_compact(summary)

    def restore(
        self, messages: Sequence[Message], *, requests: Sequence[str] = (), summary: str = ""
    ) -> None:
        """Take over the history of an earlier session; nothing is appended to its file.

        A question that got no answer is closed, so that roles go on alternating.
        """
        self._messages = list(messages)
        self._requests = list(requests)
        self._summary = summary
        self._shown.clear()
        self._changed, self._overheard, self._focus = [], [], ()
        if self._messages and self._messages[-1].role == "user":
            self.say("assistant", INTERRUPTED)

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

    @property
    def shown_files(self) -> Mapping[str, str]:
        """Every file that the model has seen, with the text that it saw last."""
        return dict(self._shown)
