"""The learning panel: captured experiences, the learner's work, the adapter in use, and verdicts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from agent.library.rounds import JudgedRound, version_of
from agent.text import display_safe, format_seconds
from tui.app.learner.state import LearningState

if TYPE_CHECKING:
    from tui.app.learner.plots import Plots

_LATEST = 5


class LearningPanel(VerticalScroll):
    """Shows the learner's state; redrawn only when that state has changed."""

    def __init__(self, learning: LearningState) -> None:
        super().__init__(id="panel", can_focus=True)
        self._learning = learning
        self._plots: Plots | None = None
        self._plotted: tuple[tuple[float, ...], tuple[JudgedRound, ...]] = ((), ())
        self.border_title = "Learning (F2 closes)"

    def compose(self) -> ComposeResult:
        yield Static(id="panel-text", markup=False)

    def draw(self) -> None:
        """Draw the present state, unless the panel is hidden."""
        if not self.is_mounted or not self.display:
            return
        learning = self._learning
        self.query_one("#panel-text", Static).update(_words(learning))
        plotted = (tuple(learning.losses), learning.rounds)
        if plotted != self._plotted:
            self._plotted = plotted
            self.call_next(self._plot)

    async def _plot(self) -> None:
        """Draw the plots again; their library is loaded when the panel is first shown."""
        if self._plots is None:
            from tui.app.learner.plots import Plots

            self._plots = Plots()
            await self.mount(self._plots)
        self._plots.draw(*self._plotted)


def _words(learning: LearningState) -> RenderableType:
    parts: list[RenderableType] = []

    def section(title: str, *lines: str) -> None:
        parts.append(Text(title, style="bold"))
        parts.extend(Text(display_safe(line)) for line in lines if line)
        parts.append(Text())

    counts = Counter(event.verdict for event in learning.captured)
    total = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    latest = [f"{e.verdict}: {e.subject}" for e in learning.captured[-_LATEST:]]
    section("Captured in this session", total or "nothing yet", *latest)
    left = f"{format_seconds(learning.eta_s)} left" if learning.eta_s is not None else ""
    paused = f"paused: {learning.paused}" if learning.paused else ""
    if learning.stage:
        section("Learner", paused, learning.stage, learning.detail, left)
    else:
        section("Learner", "not running", learning.waits_for, *learning.notices)
    used, *before = learning.lineage or ("the bare model",)
    section("In use", used, *(f"made from {name}" for name in before))
    if verdicts := _verdicts(learning):
        section("Verdicts", *verdicts, "/why says more")
    return Group(*parts)


def _verdicts(learning: LearningState) -> list[str]:
    """Return each round in words, the latest with its gates; a round without an adapter with its reason."""
    known = {each.adapter for each in learning.rounds}
    lines = [each.words for each in learning.rounds[-_LATEST:]]
    if learning.rounds:
        lines += [f"  {gate.line}" for gate in learning.rounds[-1].gates]
    for event in learning.verdicts[-_LATEST:]:
        if event.adapter not in known:
            name = version_of(event.adapter) if event.adapter else "no adapter"
            lines.append(f"{name}: {event.decision}: {event.reason}")
    return lines
