"""The outcome of one reply, and the ends that a turn can come to."""

from __future__ import annotations

from dataclasses import dataclass

from agent.events import TurnEnding
from agent.turn.beginning import Beginning
from sandbox.verdict.report import TestReport


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The end of a turn, with its reason."""

    ending: TurnEnding
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one reply: the turn ends, or the model is told something."""

    end: End | None = None
    observation: str = ""
    failed: bool = False
    """True if the observation is an error."""
    report: TestReport | None = None
    """The tests' report, if they were run."""
    unusable: bool = False
    """True if the reply itself was at fault and is asked for again."""
    begun: Beginning | None = None
    """The beginning of the next reply; None for none."""
    again: bool = False
    """True if the same is asked once more: the next reply is drawn otherwise, or it would be the same."""


DONE = End(ending=TurnEnding.DONE, reason="done")
DECLINED = End(ending=TurnEnding.DECLINED, reason="declined")
REASKED_ENOUGH = End(ending=TurnEnding.UNUSABLE, reason="no usable reply after two re-asks")
