"""The two lines below the conversation: the status, and the activity while something runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from agent.text import display_safe

if TYPE_CHECKING:
    from agent.events import ReplyFinished


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFields:
    """The fields of the status line."""

    model: str
    mode: str
    adapter: str = ""
    used: int = 0
    limit: int = 0
    tokens_per_s: float = 0.0
    sandbox: str = "not started"
    branch: str = ""
    dirty: bool = False
    learner: str = ""

    def after(self, reply: ReplyFinished) -> StatusFields:
        """Replace the model, adapter and tokens of these fields by those of a reply."""
        return replace(
            self,
            model=reply.model,
            adapter=reply.adapter or "",
            used=reply.prompt_tokens + reply.completion_tokens,
            limit=reply.context_length,
            tokens_per_s=reply.completion_tokens / reply.duration_s if reply.duration_s else 0.0,
        )

    def parts(self) -> list[tuple[str, int]]:
        """Each field in words, with its rank: the highest are left out first when room is short."""
        limit = f"/{self.limit}" if self.limit else ""
        tokens = f"{self.used}{limit} tokens" if self.used else "no tokens yet"
        branch = f"{self.branch}{' (changed)' if self.dirty else ''}" if self.branch else "no git"
        found = [
            (f"mode {self.mode}", 0),
            (display_safe(self.model), 2),
            (display_safe(self.adapter) or "no adapter", 3),
            (tokens, 1),
            (f"{self.tokens_per_s:.1f} tok/s" if self.tokens_per_s else "", 6),
            (f"sandbox {self.sandbox}", 4),
            (f"learner {self.learner}" if self.learner else "", 5),
            (display_safe(branch), 7),
        ]
        return [(text, rank) for text, rank in found if text]

    def line(self, columns: int) -> str:
        """Join as many fields as fit into the columns, in a fixed order."""
        parts = self.parts()
        while len(parts) > 1 and len(" | ".join(text for text, _ in parts)) > columns:
            parts.remove(max(parts, key=lambda part: part[1]))
        return " | ".join(text for text, _ in parts)


class StatusLine(Static):
    """The line at the bottom of the screen; drawn only when it changes."""

    def __init__(self, fields: StatusFields) -> None:
        super().__init__(id="status", markup=False)
        self._fields = fields

    def show(self, fields: StatusFields) -> None:
        """Draw the line again if a field has changed."""
        if fields != self._fields:
            self._fields = fields
            self.draw()

    def on_resize(self) -> None:
        self.draw()

    def draw(self) -> None:
        line = self._fields.line(max(20, self.size.width))
        self.update(Text(line, no_wrap=True), layout=False)


class ActivityLine(Static):
    """Shows the running work, its seconds so far, and the key that stops it; hidden while nothing runs."""

    def __init__(self) -> None:
        super().__init__(id="activity", markup=False)
        self._what = ""
        self._detail = ""
        self._since = 0.0
        self._queued = 0
        self._line = ""
        self.display = False

    def begin(self, what: str) -> None:
        """Show that work began."""
        self._what, self._detail = what, ""
        self._since = time.monotonic()
        self.display = True
        self.draw()

    def stage(self, what: str) -> None:
        """Name the work that goes on now; drawn with the next tick."""
        self._what, self._detail = what, ""

    def detail(self, text: str) -> None:
        """Say how far the work is; drawn with the next tick."""
        self._detail = text

    def queued(self, count: int) -> None:
        """Say how many jobs wait."""
        self._queued = count
        self.draw()

    def end(self) -> None:
        """Hide the line: nothing runs any more."""
        self.display = False
        self._queued = 0

    def draw(self) -> None:
        """Draw the wheel and the seconds; called a few times a second, only while something runs."""
        elapsed = int(time.monotonic() - self._since)
        wheel = "|/-\\"[int(time.monotonic() * 4) % 4]
        queued = f"; {self._queued} waiting" if self._queued else ""
        text = f"{wheel} {self._what}"
        if self._detail:
            text += f": {self._detail}"
        line = f"{display_safe(text)} ({elapsed} s{queued}; Esc stops)"
        if line != self._line:
            self._line = line
            self.update(Text(line, no_wrap=True), layout=False)
