"""What the fix loop says of one action, and who keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from learning.records import Action, Evidence, Message, Origin, Trust, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class FixStep:
    """One action of the fix loop, judged."""

    messages: Sequence[Message]
    """What the model saw before the action."""
    action: Action
    verdict: Verdict
    evidence: Sequence[Evidence] = ()
    targets: Sequence[str] = ()
    """Tests that the action was about, or that it made pass."""
    path: str = ""
    """The file that was written; empty if none was."""
    before: str = ""
    after: str = ""
    trust: Trust = Trust.PLAIN
    origin: Origin = Origin.FIX


class StepRecorder(Protocol):
    """Keeps judged actions; `agent.session.capture.Recorder` is the real one."""

    def record(self, step: FixStep) -> object: ...
