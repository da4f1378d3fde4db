"""One small change of one file, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Origin(StrEnum):
    """The way in which a change was found; learning can include or leave out each."""

    TEMPLATE = "template"
    """An edit of the syntax tree, without the model."""
    INFILL = "infill"
    """A line that the model put between its real neighbours."""
    SPLICE = "splice"
    """The model's reply, cut where it used a name that does not exist."""
    REWRITE = "rewrite"
    """The whole file or function, written anew by the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file of the project as it would be after one small change."""

    path: str
    line: int
    """Where the change is, counted from 1."""
    after: str
    """The whole file."""
    origin: Origin
    kind: str
    """The change in words, such as `compare: < to <=`."""
    likelihood: float = 0.0
    """Natural logarithm of the model's probability of the change; 0 where no model was asked."""
    changed_characters: int = 0
    cost: int = 0
    """How far the change is from what people usually get wrong; the smaller is preferred."""
