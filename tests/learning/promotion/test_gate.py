"""Nothing is promoted on luck."""

from __future__ import annotations

import math

import pytest

from learning.promotion.gate import MIN_HELD_OUT, decide
from learning.promotion.stats import Paired, sign_test


@pytest.mark.parametrize(("wins", "losses"), [(5, 0), (7, 1), (9, 2), (10, 3), (12, 4), (13, 5)])
def test_the_known_table_of_the_sign_test_at_five_per_cent(wins: int, losses: int) -> None:
    assert sign_test(Paired(wins=wins, losses=losses)) <= 0.05
    assert sign_test(Paired(wins=wins - 1, losses=losses)) > 0.05


def test_exact_values() -> None:
    assert sign_test(Paired(wins=5, losses=0)) == 1 / 32
    assert sign_test(Paired(wins=0, losses=0)) == 1.0
    assert sign_test(Paired(wins=0, losses=9)) == 1.0
    assert math.isclose(sign_test(Paired(wins=7, losses=1)), 9 / 256)


def test_ties_say_nothing() -> None:
    assert sign_test(Paired(wins=6, losses=1, ties=1000)) == sign_test(Paired(wins=6, losses=1))


def test_a_thousand_tasks_are_no_problem() -> None:
    assert 0.0 < sign_test(Paired(wins=1100, losses=1000)) < 0.05


@pytest.mark.parametrize("tasks", [0, MIN_HELD_OUT - 1])
def test_too_little_evidence_means_shadow_even_if_all_is_won(tasks: int) -> None:
    decision = decide(Paired(wins=tasks, losses=0))
    assert decision.kind == "shadow"
    assert decision.reason == f"kept in shadow: not enough held-out evidence ({tasks} of 30)"


@pytest.mark.parametrize(
    ("wins", "losses", "kind"),
    [
        (5, 0, "promoted"),
        (4, 0, "rejected"),
        (7, 1, "promoted"),
        (3, 2, "rejected"),
        (0, 8, "rejected"),
    ],
)
def test_with_enough_evidence_only_a_surprising_margin_is_promoted(
    wins: int, losses: int, kind: str
) -> None:
    decision = decide(Paired(wins=wins, losses=losses, ties=40 - wins - losses))
    assert decision.kind == kind
    assert f"{wins} wins, {losses} losses on 40 tasks" in decision.reason
