"""Errors of a team's store."""

from __future__ import annotations

from learning.errors import LearningError


class TeamError(LearningError):
    """The team's store cannot be used so; the message says why and what to do."""


class TeamAddressError(TeamError):
    """The address of a database or a bucket is none that a team's store can have."""


class TeamUnreachableError(TeamError):
    """The database or the bucket does not answer, or went away; what was done stays.

    `reason` says what happened; the message adds what to do next.
    """

    def __init__(
        self,
        reason: str,
        *,
        next_step: str = "what was done before stays, and the same command goes on from there",
    ) -> None:
        super().__init__(f"{reason}: {next_step}")
        self.reason = reason


class TeamRefusedError(TeamError):
    """The database, the bucket or the member's role does not allow it."""
