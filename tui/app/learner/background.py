"""Decides when the learner beside the conversation starts, pauses and ends.

The learner starts by itself only when the person has been away for a while and enough experiences
were captured. It pauses within a moment of a keypress and during every turn; low memory or a low
battery ends the round. Its work is kept: the next round goes on from the last step.
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
"""A paused learner goes on this long after the last keypress."""
_LOW_MEMORY_BYTES = 600 * 2**20
_LOW_BATTERY_PERCENT = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The facts that a decision about the learner rests on, at one moment."""

    idle_s: float
    busy: bool
    """True while a turn is running or waiting."""
    new_verified: int
    running: bool
    paused: bool
    by_hand: bool = False
    """True if the person asked for the round; then only a turn pauses it."""
    trouble: str = ""
    """The reason against learning now, such as low memory; empty if there is none."""
    not_installed: str = ""
    """Packages that learning lacks on this machine, and how to get them; empty if all are there."""
    given_up: bool = False
    """True if a round failed in this session; no other round starts by itself then."""
    to_retry: int = 0
    """Failures that nobody fixed and that were not retried in this session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerAction:
    """A decision about the learner, with the reason in words."""

    action: Literal["start", "pause", "resume", "stop", "wait"]
    reason: str = ""


def decide(settings: LearnSettings, now: Conditions) -> LearnerAction:
    """Decide what the learner does now; a pure function of the conditions."""
    if now.running:
        return _running(now)
    missing = settings.background_after - now.new_verified
    reason = ""
    if not settings.background:
        reason = "off (learn.background); /learn runs a round"
    elif now.not_installed:
        reason = f"off: {now.not_installed}"
    elif now.given_up:
        reason = "the last round made no adapter; /learn tries again"
    elif missing > 0 and not now.to_retry:
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
    """Measures the time since the last key or click of the person."""

    clock: Callable[[], float] = time.monotonic
    _last: float = 0.0

    def __post_init__(self) -> None:
        self._last = self.clock()

    def touch(self) -> None:
        """Start again from zero: the person pressed a key."""
        self._last = self.clock()

    @property
    def seconds(self) -> float:
        return self.clock() - self._last


def trouble(*, available_bytes: int | None, power: Path = Path("/sys/class/power_supply")) -> str:
    """Return the reason against learning now: low memory or battery; empty if there is none."""
    if available_bytes is not None and available_bytes < _LOW_MEMORY_BYTES:
        return f"low memory: {available_bytes // 2**20} MiB are left"
    percent = _battery_percent(power)
    if percent is not None and percent < _LOW_BATTERY_PERCENT:
        return f"low battery: {percent} %"
    return ""


def _battery_percent(power: Path) -> int | None:
    """Return the charge of a discharging battery; None if there is no such battery."""
    for battery in sorted(power.glob("BAT*")):
        try:
            if (battery / "status").read_text().strip() == "Discharging":
                return int((battery / "capacity").read_text())
        except (OSError, ValueError):
            continue
    return None
