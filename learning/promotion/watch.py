"""Whether an adapter in use fails more often than what was in use before it, from live verdicts.

Held-out tasks are few and chosen; the actions of every day are many. The comparison is not paired,
so it asks for more: Fisher's exact test at 1 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from learning.records import Experience, Verdict

MIN_ACTIONS = 20
"""Judged actions of each side below which nothing is said."""
LEVEL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Judged actions of one adapter, or of the bare base model."""

    failed: int
    judged: int


def live(experiences: Iterable[Experience], *, model: str, adapter: str | None) -> Live:
    """How often the actions of this adapter failed."""
    verdicts = [
        each.verdict
        for each in experiences
        if each.model == model and each.action.adapter == adapter
    ]
    judged = [verdict for verdict in verdicts if verdict is not Verdict.UNKNOWN]
    return Live(failed=judged.count(Verdict.FAIL), judged=len(judged))


def got_worse(now: Live, before: Live) -> str:
    """Why the adapter in use should go, in words; "" if that cannot be said."""
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
    """Fisher's exact p: how often chance alone gives this side at least so many of the failures."""
    failed, total = now.failed + before.failed, now.judged + before.judged
    ways = math.comb(total, now.judged)
    most = min(failed, now.judged)
    favourable = sum(
        math.comb(failed, k) * math.comb(total - failed, now.judged - k)
        for k in range(now.failed, most + 1)
    )
    return favourable / ways
