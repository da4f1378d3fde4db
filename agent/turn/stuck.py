"""Says when a turn goes in circles, from its actions and their outcomes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SAME_ERRORS = 3
_VARYING = re.compile(r"\b\d+(?:\.\d+)?\s?(?:ms|s|seconds?|minutes?)\b|\b0x[0-9a-fA-F]+\b|/tmp/\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One reply and its outcome."""

    action: str
    """The model's action, in its own words."""
    observation: str
    """The outcome as the model was told it."""
    failed: bool = False
    """True if the observation is an error: a refused edit, a command with another exit code."""
    edits: int = 0
    """Files written in this step."""
    red: frozenset[str] | None = None
    """The failing tests with their messages, where the step ran the tests."""


def stuck_reason(steps: Sequence[Step]) -> str:
    """The reason why going on is of no use; empty while it is.

    The patterns are those that OpenHands found in practice, with smaller counts: a small model at
    temperature 0 that repeats itself once goes on doing so.
    """
    seen = [(_plain(step.action), _plain(step.observation)) for step in steps]
    if len(seen) > 1 and seen[-1] == seen[-2]:
        return "the same action gave the same result twice"
    if len(seen) > 3 and seen[-2:] == seen[-4:-2]:  # noqa: PLR2004 - two pairs
        return "it goes back and forth between the same two actions"
    last = steps[-_SAME_ERRORS:]
    errors = {_plain(step.observation) for step in last if step.failed}
    if all(step.failed for step in last) and len(last) == _SAME_ERRORS and len(errors) == 1:
        return f"the same error came {_SAME_ERRORS} times"
    return _same_tests_fail(steps)


def _same_tests_fail(steps: Sequence[Step]) -> str:
    """True if the last two changes each left exactly the same failures."""
    edits = 0
    after_edits: dict[int, frozenset[str]] = {}
    for step in steps:
        edits += step.edits
        if step.red is not None and edits:
            after_edits[edits] = step.red
    last = list(after_edits.values())[-2:]
    if len(last) > 1 and last[0] and last[0] == last[1]:
        return "two changes in a row left the same tests failing in the same way"
    return ""


def _plain(text: str) -> str:
    """The text without what differs from run to run: times, addresses, names of temporary files."""
    return " ".join(_VARYING.sub("#", text).split())
