"""Detects from live verdicts that the adapter in use fails more often than its predecessor.

Held-out tasks are few and selected; everyday actions are many. The comparison is not paired, so it is
stricter: Fisher's exact test at 1 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from learning.records import Experience, Verdict

MIN_ACTIONS = 20
"""Fewest judged actions of each side for a comparison."""
LEVEL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Judged actions of one adapter, or of the bare base model."""

    failed: int
    judged: int


def live(experiences: Iterable[Experience], *, model: str, adapter: str | None) -> Live:
    """Count the judged and the failed actions of this adapter."""
    verdicts = [
        each.verdict
        for each in experiences
        if each.model == model and each.action.adapter == adapter
    ]
    judged = [verdict for verdict in verdicts if verdict is not Verdict.UNKNOWN]
    return Live(failed=judged.count(Verdict.FAIL), judged=len(judged))


def got_worse(now: Live, before: Live) -> str:
    """Reason to stop using the adapter, in words; "" if there is none."""
    if min(now.judged, before.judged) < MIN_ACTIONS:
        return ""
    p = _more_failures(now, before)
    if p > LEVEL:
        return ""
    return (
        f"{now.failed} of its {now.judged} actions failed, {before.failed} of {before.judged}"
        f" before it (p = {p:.4f})"
    )


def _more_failures(now: Live, before: Live) -> float:
    """Fisher's exact p: the probability that chance gives this side at least so many failures."""
    failed, total = now.failed + before.failed, now.judged + before.judged
    ways = math.comb(total, now.judged)
    most = min(failed, now.judged)
    favourable = sum(
        math.comb(failed, k) * math.comb(total - failed, now.judged - k)
        for k in range(now.failed, most + 1)
    )
    return favourable / ways
