"""Defines one small change of one file, and its origin."""

from __future__ import annotations

from dataclasses import dataclass

from learning.records import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateChange:
    """A file of the project as it would be after one small change."""

    path: str
    line: int
    """Line of the change, counted from 1."""
    after: str
    """The whole file."""
    origin: Origin
    kind: str
    """The change in words, such as `compare: < to <=`."""
    likelihood: float = 0.0
    """Natural logarithm of the model's probability of the change; 0 where no model was asked."""
    changed_characters: int = 0
    cost: int = 0
    """Distance from the faults that people usually make; the smaller is preferred."""
