"""What a message says of a fault beside the wish that it is repaired."""

from __future__ import annotations

import pytest

from agent.session.red_tests import of_the_fault


@pytest.mark.parametrize(
    "text",
    [
        "Please fix test_wheel. The test is right: an ace may be low as well, so A 2 3 4 5 is a straight",
        "retry gives up one try too early, fix it please",
    ],
)
def test_a_described_fault_is_told(text: str) -> None:
    assert of_the_fault(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "fix the failing test",
        "test_withdraw_all is red. fix it",
        "theres a failing test in here, can you make it green? but dont touch the tests",
        "can you get solver_test.py green?",
        "one test is red, the one for delays. can you fix it? the test itself is right",
        "something broke, trust the tests, they are fine",
        "please repair test_is_leap_year_of_centuries",
    ],
)
def test_an_order_alone_says_nothing_of_the_fault(text: str) -> None:
    assert not of_the_fault(text)
