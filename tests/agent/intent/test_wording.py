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
        ("docstring for solve pls", "add docstring to solve"),
        ("tests for parse_amount", "add tests for parse_amount"),
        ("shuffle should live in its own module shuffling.py", "move shuffle to shuffling.py"),
        ("the function load belongs in store.py.", "move load to store.py"),
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


_NAMES = frozenset(["parse_range", "human_size", "qty", "Ingredient", "mean", "median"])


@pytest.mark.parametrize(
    ("said", "order"),
    [
        ("nobody uses parse_range, throw it out", "delete parse_range"),
        ("parse_range is dead code so delete it", "delete parse_range"),
        ("I don't need mean anymore. get rid of it please", "delete mean"),
        (
            "human_size doesn't belong in report.py, move it to a new file sizes.py",
            "move human_size in report.py to a new file sizes.py",
        ),
        (
            "i dont like the field name qty in Ingredient, call it quantity everywhere",
            "rename qty in Ingredient to quantity",
        ),
        ("mean is a bad name. rename it to average", "rename mean to average"),
    ],
)
def test_it_in_a_wish_is_the_one_thing_that_the_remark_names(said: str, order: str) -> None:
    assert as_order(said, _NAMES.intersection) == order


@pytest.mark.parametrize(
    "said",
    [
        "mean is slow, call it once",
        "mean is slow, make it faster",
        "is mean used? if not, delete it",
        "mean and median do the same, delete it",
        "the cache is stale, delete it",
        "mean is used by report, delete it there",
        "the cached value of mean is stale, delete it",
        "mean returns the wrong thing, remove it",
        "this needs docs",
        "delete it",
    ],
)
def test_a_wish_that_may_mean_something_else_stays(said: str) -> None:
    assert as_order(said, _NAMES.intersection) == said


def test_the_tests_of_what_goes_may_go_with_it() -> None:
    said = "nobody uses mean in stats.py, throw it out (and its tests)"
    assert as_order(said, _NAMES.intersection) == "delete mean in stats.py and its tests"
