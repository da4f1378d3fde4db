"""The line on fixes that a round never saw: a gain with its interval, or that there are too few."""

from __future__ import annotations

import pytest

from learning.promotion.report import unseen_in_words


def test_a_gain_comes_with_its_interval() -> None:
    before = [-1.0, -1.2, -0.8, -1.1, -0.9, -1.0]
    words = unseen_in_words({"unseen_before": before, "unseen_after": [v + 0.25 for v in before]})
    assert words.startswith(
        "accepted fixes it never saw (6): +0.250 nats a token (+0.250 to +0.250"
    )


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({}, ""),
        ({"unseen_before": [], "unseen_after": []}, ""),
        ({"unseen_before": "x", "unseen_after": [1.0]}, ""),
        ({"unseen_before": [-1.0] * 4, "unseen_after": [-0.5] * 4}, "4, too few to say"),
    ],
)
def test_without_enough_of_them_no_figure_is_claimed(report: dict[str, object], said: str) -> None:
    words = unseen_in_words(report)
    assert said in words
    assert bool(words) == bool(said)
