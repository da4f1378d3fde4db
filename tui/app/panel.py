"""The learning panel: what was captured, what the learner does, what is in use, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Sparkline, Static

from agent.events import (
    Event,
    ExperienceRecorded,
    LearnFinished,
    LearnStep,
    Notice,
    Progress,
    StageStarted,
)
from sandbox.streams import display_safe
from tui.plain import amount, format_seconds

_LATEST = 5


@dataclass(kw_only=True)
class Learning:
    """Everything that the panel shows; filled from events."""

    captured: list[ExperienceRecorded] = field(default_factory=list)
    stage: str = ""
    """What the learner does now; empty when it does not run."""
    paused: str = ""
    """Why it stands still."""
    waits_for: str = ""
    """What must happen before it starts by itself."""
    detail: str = ""
    losses: list[float] = field(default_factory=list)
    steps: int = 0
    eta_s: float | None = None
    lineage: tuple[str, ...] = ()
    verdicts: list[LearnFinished] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Note what the learner, or the recorder, has said."""
        match event:
            case ExperienceRecorded():
                self.captured.append(event)
            case StageStarted(text):
                self.stage, self.detail = text, ""
            case Progress(done, total, unit, eta_s):
                of_total = f" of {amount(total, unit)}" if total else ""
                self.detail, self.eta_s = f"{amount(done, unit)}{of_total}", eta_s
            case LearnStep(step, steps, loss, tokens_per_s, eta_s):
                self.losses.append(loss)
                self.steps, self.eta_s = steps, eta_s
                self.detail = f"step {step} of {steps}, loss {loss:.3f}, {tokens_per_s:.0f} tok/s"
            case LearnFinished():
                self.verdicts.append(event)
            case Notice(text):
                self.notices = [*self.notices[-2:], text]
            case _:
                pass

    def began(self) -> None:
        self.losses, self.detail, self.eta_s, self.notices = [], "", None, []
        self.stage = "starting"

    def ended(self) -> None:
        self.stage = self.detail = self.paused = ""
        self.eta_s = None

    @property
    def short(self) -> str:
        """One or two words for the status line; empty when nothing happens."""
        if self.paused:
            return "paused"
        return self.stage


class LearningPanel(VerticalScroll):
    """Redrawn when something happened, never by a clock."""

    def __init__(self, learning: Learning) -> None:
        super().__init__(id="panel", can_focus=True)
        self._learning = learning
        self.border_title = "Learning (F2 closes)"

    def compose(self) -> ComposeResult:
        yield Static(id="panel-text", markup=False)
        yield Static("Loss of this round", id="loss-title", markup=False)
        yield Sparkline([], id="loss")

    def on_mount(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Show what is known now."""
        if not self.is_mounted or not self.display:
            return
        learning = self._learning
        self.query_one("#panel-text", Static).update(_words(learning))
        loss = self.query_one("#loss", Sparkline)
        loss.data = learning.losses
        loss.display = self.query_one("#loss-title").display = len(learning.losses) > 1


def _words(learning: Learning) -> RenderableType:
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
    if learning.verdicts:
        section(
            "Verdicts",
            *(_verdict(event) for event in learning.verdicts[-_LATEST:]),
            "/why says more",
        )
    return Group(*parts)


def _verdict(event: LearnFinished) -> str:
    return f"{event.adapter or 'no adapter'}: {event.decision}: {event.reason}"
