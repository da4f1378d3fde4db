"""Remembers the attempts at one test, and notices when they go in circles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from agent.fixing.judging import Judgement, note_after, outcome_of
from learning.records import Verdict
from sandbox.verdict.report import TestResult


@dataclass(slots=True)
class Course:
    """The repair of one test so far."""

    note: str = ""
    """The failure that remained after the last attempt, in words for the next one."""
    last: TestResult | None = None
    """The result of the test that still failed after the last attempt."""
    unusable: int = 0
    stuck: bool = False
    """The last attempt came to the same as one before it."""
    repeated: int = 0
    """Replies in a row that had been given before."""
    replies: int = 0
    seen: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, result: TestResult) -> Self:
        """The course for a red test: a correction that leaves it exactly so came to nothing."""
        return cls(seen={outcome_of(Judgement(verdict=Verdict.FAIL, reason="", failing=(result,)))})

    def repeats(self, given: str) -> bool:
        """True if an equal reply was given before; it is not judged again."""
        self.stuck = given in self.seen
        self.repeated = self.repeated + 1 if self.stuck else 0
        self.seen.add(given)
        self.replies += 1
        return self.stuck

    def judged(self, judgement: Judgement, target: str) -> None:
        """Take in what the tests said of an edit."""
        if judgement.state is not None:
            self.note, self.last, self.stuck = "", None, False
            return
        outcome = outcome_of(judgement)
        self.stuck = outcome in self.seen
        self.seen.add(outcome)
        self.note = note_after(judgement, target)
        self.last = judgement.failing[0] if judgement.failing else None
