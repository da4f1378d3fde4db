"""A remark with a wish behind it is read as the order that it is; nothing else is touched."""

from __future__ import annotations

import pytest

from agent.intent.wording import as_order


@pytest.mark.parametrize(
    ("said", "order"),
    [
        ("convert has no tests yet, can you write some", "write tests for convert"),
        ("parse is untested. please add some", "add tests for parse"),
        ("load_all isn't tested; add a few", "add tests for load_all"),
        ("There are no tests for load(). write one", "write tests for load()"),
        ("no tests for load, write some please", "write tests for load"),
        ("amounts.py has no type hints, add them", "add type hints to amounts.py"),
        ("Cart is undocumented, could you please write some?", "write docstrings to Cart"),
        ("convert in units.py has no docstring, add one", "add docstring to convert in units.py"),
        ("parse_amount needs unit tests", "add unit tests for parse_amount"),
    ],
)
def test_a_remark_with_a_wish_becomes_an_order(said: str, order: str) -> None:
    assert as_order(said) == order


@pytest.mark.parametrize(
    "said",
    [
        "load has no tests",
        "load has no tests and is slow, make it fast",
        "does load have tests?",
        "no tests yet, write a function g with a test",
        "why does load need tests",
        "the loader needs a test server",
        "load has no tests, write some and rename it to read",
        "x = 1\n\nneeds tests?",
    ],
)
def test_any_other_message_stays(said: str) -> None:
    assert as_order(said) == said
