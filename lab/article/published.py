"""The figures of the founding article (*Experiential Learning*, May 2025), as it prints them.

All are of Llama-3.2-1B or its instruct model after learning. The article does not disclose its
learning rule, gives no interval, and has no control without feedback for the second and third. Of `noise`
it has a plot and no figures: that noisy explanations need enormous batches is the problem that it leaves open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Experiment = Literal["mmlu", "humaneval", "gsm8k", "noise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The article's figures of one arm, in per cent or points of it."""

    before: float | None = None
    after: float | None = None
    gain: float | None = None
    note: str = ""


PUBLISHED: dict[tuple[Experiment, str], Published] = {
    ("mmlu", "answer"): Published(before=10.8, after=50.4),
    ("mmlu", "explained"): Published(before=10.8, after=35.2),
    ("mmlu", "unlettered"): Published(before=10.8, after=45.3),
    ("mmlu", "wrong"): Published(before=33.2, after=73.4),
    ("humaneval", "tests"): Published(gain=15.37, note="does not say points or per cent"),
    ("humaneval", "printed"): Published(gain=17.6, note="does not say points or per cent"),
    ("humaneval", "explained"): Published(note="calls it inconsistent: below 0 to +50 %"),
    ("gsm8k", "explained"): Published(before=30.4, after=39.8),
    ("gsm8k", "grpo"): Published(before=30.4, after=41.6),
}
