"""The state of the learner, as its panel and the status line show it."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.events import (
    Event,
    ExperienceRecorded,
    LearnFinished,
    LearnStep,
    Notice,
    Progress,
    StageStarted,
)
from agent.library.rounds import JudgedRound
from tui.show.plain import amount


@dataclass(kw_only=True)
class LearningState:
    """The facts of the learning panel; filled from events."""

    captured: list[ExperienceRecorded] = field(default_factory=list)
    stage: str = ""
    """The learner's present work; empty when it does not run."""
    paused: str = ""
    """The reason for which the learner stands still; empty when it does not."""
    waits_for: str = ""
    """The condition on which the learner starts by itself."""
    detail: str = ""
    losses: list[float] = field(default_factory=list)
    steps: int = 0
    eta_s: float | None = None
    lineage: tuple[str, ...] = ()
    rounds: tuple[JudgedRound, ...] = ()
    """The rounds of all adapters of the repository, oldest first."""
    verdicts: list[LearnFinished] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Note an event of the learner, or of the recorder."""
        match event:
            case ExperienceRecorded():
                self.captured.append(event)
            case StageStarted(text):
                self.stage, self.detail = text, ""
            case Progress(done, total, unit, eta_s):
                of_total = f" of {amount(total, unit)}" if total else ""
                self.detail, self.eta_s = f"{amount(done, unit)}{of_total}", eta_s
            case LearnStep(step, steps, loss, tokens_per_s, eta_s, memory_mib):
                self.losses.append(loss)
                self.steps, self.eta_s = steps, eta_s
                memory = f", {memory_mib} MiB" if memory_mib else ""
                self.detail = (
                    f"step {step} of {steps}, loss {loss:.3f}, {tokens_per_s:.0f} tok/s{memory}"
                )
            case LearnFinished():
                self.verdicts.append(event)
            case Notice(text):
                self.notices = [*self.notices[-2:], text]
            case _:
                pass

    def began(self) -> None:
        """Forget the round before: a new one begins."""
        self.losses, self.detail, self.eta_s, self.notices = [], "", None, []
        self.stage = "starting"

    def ended(self) -> None:
        """Note that no round runs any more; its figures stay."""
        self.stage = self.detail = self.paused = ""
        self.eta_s = None

    @property
    def short(self) -> str:
        """One or two words for the status line; empty while the learner does not run."""
        if self.paused:
            return "paused"
        return self.stage
