"""The status line: which model and adapter, how full, how fast, what may be done, and where."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from sandbox.box.streams import display_safe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.events import Progress, ReplyFinished


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFields:
    """What the status line says."""

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
        """With what a reply told about itself."""
        return replace(
            self,
            model=reply.model,
            adapter=reply.adapter or "",
            used=reply.prompt_tokens + reply.completion_tokens,
            limit=reply.context_length,
            tokens_per_s=reply.completion_tokens / reply.duration_s if reply.duration_s else 0.0,
        )

    def parts(self) -> list[tuple[str, int]]:
        """Each thing to say, with its rank: the highest are left out first when room is short."""
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
        """As much as fits, in a fixed order."""
        parts = self.parts()
        while len(parts) > 1 and len(" | ".join(text for text, _ in parts)) > columns:
            parts.remove(max(parts, key=lambda part: part[1]))
        return " | ".join(text for text, _ in parts)


class StatusLine(Static):
    """One line at the bottom; drawn only when it changes."""

    def __init__(self, standing: StatusFields) -> None:
        super().__init__(id="status", markup=False)
        self._standing = standing

    @property
    def standing(self) -> StatusFields:
        return self._standing

    def show(self, standing: StatusFields) -> None:
        if standing != self._standing:
            self._standing = standing
            self.draw()

    def on_resize(self) -> None:
        self.draw()

    def draw(self) -> None:
        line = self._standing.line(max(20, self.size.width))
        self.update(Text(line, no_wrap=True), layout=False)


class ActivityLine(Static):
    """What is being done now, for how long, and how to stop it; hidden while nothing is."""

    def __init__(self) -> None:
        super().__init__(id="activity", markup=False)
        self._what = ""
        self._detail = ""
        self._since = 0.0
        self._queued = 0
        self._line = ""
        self.display = False

    def begin(self, what: str) -> None:
        self._what, self._detail = what, ""
        self._since = time.monotonic()
        self.display = True
        self.draw()

    def stage(self, what: str) -> None:
        """The work goes on with something else; drawn with the next tick."""
        self._what, self._detail = what, ""

    def detail(self, text: str) -> None:
        self._detail = text

    def queued(self, count: int) -> None:
        self._queued = count
        self.draw()

    def progress(self, event: Progress) -> None:
        """How far it is, in words; drawn with the next tick."""
        from tui.plain import amount, format_seconds

        total = f" of {amount(event.total, event.unit)}" if event.total else ""
        left = f", {format_seconds(event.eta_s)} left" if event.eta_s is not None else ""
        self._detail = f"{amount(event.done, event.unit)}{total}{left}"

    def end(self) -> None:
        self.display = False
        self._queued = 0

    def draw(self) -> None:
        """Called a few times a second while something runs, never while idle."""
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


def read_git(root: Path, environ: Mapping[str, str]) -> tuple[str, bool]:
    """The branch (a short commit when detached; empty without git) and whether files differ.

    Blocks; nothing of the repository's configuration can run.
    """
    from agent.errors import WorkspaceError
    from agent.workspace.dirtiness import is_dirty
    from agent.workspace.head import read_head

    head = read_head(root)
    if head is None:
        return "", False
    try:
        changed = is_dirty(root, environ)
    except WorkspaceError:
        changed = False
    return head.branch or head.commit[:8], changed
