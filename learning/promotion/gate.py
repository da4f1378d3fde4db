"""Whether a new adapter may be used: a pure decision from held-out results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from learning.promotion.stats import Paired, sign_test

MIN_HELD_OUT = 30
"""Below this many held-out tasks nothing can be told apart from luck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What happens to an adapter, and why, in words for the person."""

    kind: Literal["shadow", "promoted", "rejected"]
    reason: str


def decide(held_out: Paired, *, alpha: float = 0.05) -> Decision:
    """Promote only if this many wins would be surprising from an equally good adapter.

    `held_out` compares with the incumbent on tasks that were not learned from.
    """
    if held_out.tasks < MIN_HELD_OUT:
        reason = (
            f"kept in shadow: not enough held-out evidence ({held_out.tasks} of {MIN_HELD_OUT})"
        )
        return Decision(kind="shadow", reason=reason)
    p = sign_test(held_out)
    outcome = (
        f"{held_out.wins} wins, {held_out.losses} losses on {held_out.tasks} tasks, p = {p:.3f}"
    )
    if p <= alpha:
        return Decision(kind="promoted", reason=f"better than the incumbent: {outcome}")
    return Decision(kind="rejected", reason=f"not shown to be better than the incumbent: {outcome}")
