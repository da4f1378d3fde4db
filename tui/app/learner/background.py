"""The learner beside the conversation: when it starts, when it stands still, when it ends.

It starts by itself only when the person has been away for a while and enough was captured; it
stands still within a moment of a keypress and through every turn; low memory or battery end it.
What it has done is kept: the next round goes on from its last step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from agent.settings.schema import LearnSettings

_RESUME_AFTER_S = 20.0
"""So long after the last keypress a paused learner goes on."""
_LOW_MEMORY_BYTES = 600 * 2**20
_LOW_BATTERY_PERCENT = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How things stand at one moment."""

    idle_s: float
    busy: bool
    """Whether a turn is running or waiting."""
    new_verified: int
    running: bool
    paused: bool
    by_hand: bool = False
    """Whether the person asked for the round; then only a turn or a keypress holds it up."""
    trouble: str = ""
    """What speaks against learning now: memory, battery."""
    given_up: bool = False
    """Whether a round failed in this session; it is not begun again by itself."""
    to_practise: int = 0
    """Failures that nobody fixed and that were not retried in this session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerAction:
    """What to do now, with the reason in words."""

    action: Literal["start", "pause", "resume", "stop", "wait"]
    reason: str = ""


def decide(settings: LearnSettings, now: Conditions) -> LearnerAction:
    """What the learner should do; a pure function of the moment."""
    if now.running:
        return _running(now)
    missing = settings.background_after - now.new_verified
    reason = ""
    if not settings.background:
        reason = "off (learn.background); /learn runs a round"
    elif now.given_up:
        reason = "the last round made nothing; /learn tries again"
    elif missing > 0 and not now.to_practise:
        reason = f"starts after {missing} more verified experiences"
    elif now.trouble:
        reason = now.trouble
    elif now.busy or now.idle_s < settings.background_idle_min * 60:
        reason = f"starts when idle for {settings.background_idle_min:g} min"
    return LearnerAction(action="wait", reason=reason) if reason else LearnerAction(action="start")


def _running(now: Conditions) -> LearnerAction:
    if now.trouble and not now.by_hand:
        return LearnerAction(action="stop", reason=now.trouble)
    if now.busy:
        return LearnerAction(action="wait" if now.paused else "pause", reason="a turn is running")
    if now.idle_s < _RESUME_AFTER_S and not now.by_hand:
        return LearnerAction(action="wait" if now.paused else "pause", reason="you are typing")
    return LearnerAction(action="resume" if now.paused else "wait")


@dataclass(kw_only=True)
class IdleTime:
    """How long the person has not touched anything."""

    clock: Callable[[], float] = time.monotonic
    _last: float = 0.0

    def __post_init__(self) -> None:
        self._last = self.clock()

    def touch(self) -> None:
        """A key was pressed."""
        self._last = self.clock()

    @property
    def seconds(self) -> float:
        return self.clock() - self._last


def trouble(*, available_bytes: int | None, power: Path = Path("/sys/class/power_supply")) -> str:
    """Why learning should not go on now: too little memory or battery; empty if nothing."""
    if available_bytes is not None and available_bytes < _LOW_MEMORY_BYTES:
        return f"low memory: {available_bytes // 2**20} MiB are left"
    percent = _battery_percent(power)
    if percent is not None and percent < _LOW_BATTERY_PERCENT:
        return f"low battery: {percent} %"
    return ""


def _battery_percent(power: Path) -> int | None:
    """Charge of a battery that is being used up; None where there is none."""
    for battery in sorted(power.glob("BAT*")):
        try:
            if (battery / "status").read_text().strip() == "Discharging":
                return int((battery / "capacity").read_text())
        except (OSError, ValueError):
            continue
    return None
