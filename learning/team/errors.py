"""Errors of a team's store."""

from __future__ import annotations

from learning.errors import LearningError


class TeamError(LearningError):
    """The team's store cannot be used so; the message says why and what to do."""


class TeamAddressError(TeamError):
    """The address of a database or a bucket is none that a team's store can have."""


class TeamUnreachableError(TeamError):
    """The database or the bucket does not answer, or went away; what was done stays."""


class TeamRefusedError(TeamError):
    """The database, the bucket or the member's role does not allow it."""
