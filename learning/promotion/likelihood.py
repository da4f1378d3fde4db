"""What a round did to accepted fixes that it never saw, in words: a line beside the gates, no gate."""

from __future__ import annotations

from collections.abc import Mapping

from learning.evaluation.statistics import bootstrap_mean

LEAST = 5
"""Below this many fixes a mean says nothing."""


def unseen_in_words(report: Mapping[str, object]) -> str:
    """The gain in nats a token over the weights that the round began with; "" where none was measured."""
    before, after = report.get("unseen_before"), report.get("unseen_after")
    if not (isinstance(before, list) and isinstance(after, list) and before):
        return ""
    if len(before) < LEAST or len(before) != len(after):
        return f"accepted fixes it never saw: {len(before)}, too few to say ({LEAST} are needed)"
    gain = bootstrap_mean([new - old for old, new in zip(before, after, strict=True)])
    return (
        f"accepted fixes it never saw ({len(before)}): {gain.mean:+.3f} nats a token"
        f" ({gain.interval.low:+.3f} to {gain.interval.high:+.3f}; above 0 is more likely)"
    )
