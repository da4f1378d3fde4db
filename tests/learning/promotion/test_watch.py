"""An adapter in use that fails more often than what it replaced is noticed, and luck is not."""

from __future__ import annotations

import pytest

from learning.promotion.watch import Live, got_worse, live
from learning.records import Experience, Verdict
from tests.fakes.experiences import make_action, make_experience


@pytest.mark.parametrize(
    ("now", "before", "worse"),
    [
        ((18, 20), (5, 20), True),
        ((10, 20), (8, 20), False),
        ((5, 20), (18, 20), False),
        ((19, 19), (0, 40), False),  # too few to say anything
        ((40, 60), (60, 200), True),
    ],
)
def test_only_a_rise_that_chance_does_not_give_is_worse(
    now: tuple[int, int], before: tuple[int, int], *, worse: bool
) -> None:
    said = got_worse(Live(failed=now[0], judged=now[1]), Live(failed=before[0], judged=before[1]))
    assert bool(said) is worse


def test_the_exact_value_of_a_small_table() -> None:
    said = got_worse(Live(failed=20, judged=20), Live(failed=0, judged=20))
    assert said == "20 of its 20 actions failed, 0 of 20 before it (p = 0.0000)"


def _made_by(adapter: str | None, verdict: Verdict) -> Experience:
    action = make_action(adapter=adapter)
    return make_experience(f"{adapter}-{verdict}", action=action, verdict=verdict)


def test_only_judged_actions_of_that_adapter_count() -> None:
    made = [_made_by(name, verdict) for name in ("el-a", None) for verdict in Verdict]
    assert live(made, model="tiny", adapter="el-a") == Live(failed=1, judged=2)
    assert live(made, model="tiny", adapter=None) == Live(failed=1, judged=2)
    assert live(made, model="another", adapter=None) == Live(failed=0, judged=0)
