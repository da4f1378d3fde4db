"""A remark with a wish behind it is read as the order that it is; nothing else is touched."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from agent.intent.wording import as_order

_NAMES = frozenset(
    [
        "Cart",
        "Ingredient",
        "convert",
        "human_size",
        "line",
        "load",
        "load_all",
        "mean",
        "median",
        "parse",
        "parse_amount",
        "parse_range",
        "qty",
        "save",
        "shuffle",
        "solve",
        "total",
    ]
)


def _named(words: Collection[str]) -> Collection[str]:
    return [word for word in words if word.rpartition(".")[2] in _NAMES]


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
        ("grid.py could use docstrings for all the methods", "add docstrings to grid.py"),
        ("docstring for solve pls", "add docstring to solve"),
        ("docstrings for all functions in parse.py please", "add docstrings to parse.py"),
        ("tests for parse_amount", "add tests for parse_amount"),
        ("parse() -> parse_text() in the whole project, thx", "rename parse to parse_text"),
        ("rename: qty => quantity everywhere", "rename qty to quantity"),
        (
            "load doesn't really belong in store.py, move it over to cli.py (save too)",
            "move load and save in store.py to cli.py",
        ),
        ("shuffle should live in its own module shuffling.py", "move shuffle to shuffling.py"),
        ("the function load belongs in store.py.", "move load to store.py"),
        ("nobody uses parse_range, throw it out", "delete parse_range"),
        ("parse_range is dead code so delete it", "delete parse_range"),
        ("I don't need mean anymore. get rid of it please", "delete mean"),
        ("save isn't used anywhere. delete please", "delete save"),
        (
            "nobody uses mean in stats.py, throw it out (and its tests)",
            "delete mean in stats.py and its tests",
        ),
        (
            "human_size doesn't belong in report.py, move it to a new file sizes.py",
            "move human_size in report.py to a new file sizes.py",
        ),
        (
            "i dont like the field name qty in Ingredient, call it quantity everywhere",
            "rename qty in Ingredient to quantity",
        ),
        ("mean is a bad name. rename it to average", "rename mean to average"),
        ("load is ugly with all those ifs, make it nicer", "simplify load"),
        ("mean isn't used any more afaics, get rid of it", "delete mean"),
        ("there's no test for load yet, can you write some", "write test for load"),
        (
            "mean is a bad name, call it average. and give it a docstring",
            "rename mean to average. and give it a docstring",
        ),
        (
            "we left the UK, so mean is dead code now. get rid of it and of its test",
            "delete mean and its tests",
        ),
        (
            "The api is going to need mean as well, so please move it from stats.py to a new module core.py",
            "move mean in stats.py to a new module core.py",
        ),
        (
            "docstrings for all the functions in words.py pls, nothing else",
            "add docstrings to words.py",
        ),
    ],
)
def test_a_remark_with_a_wish_becomes_an_order(said: str, order: str) -> None:
    assert as_order(said, _named) == order


@pytest.mark.parametrize(
    "said",
    [
        "load has no tests",
        "load has no tests and is slow, make it fast",
        "does load have tests?",
        "no tests yet, write a function g with a test",
        "why does load need tests",
        "the loader needs a test server",
        "what needs tests",
        "nobody needs tests",
        "this needs docs",
        "it belongs in utils.py",
        "everything must go into main.py",
        "load has no tests, write some and rename it to read",
        "x = 1\n\nneeds tests?",
        "delete it",
        "mean -> float",
        "median() -> float please",
        "load -> KeyError everywhere",
        "save => broken",
        "parse -> delete please",
    ],
)
def test_any_other_message_stays(said: str) -> None:
    assert as_order(said, _named) == said


@pytest.mark.parametrize(
    "said",
    [
        "load has an unused variable, remove it",
        "the variable cache in load is unused, remove it",
        "nobody calls load with a relative path, remove it",
        "nobody uses the cache in load, remove it",
        "the verbose parameter of load is unused, remove it",
        "load: nobody uses the p argument, get rid of it",
        "load no longer needs the encoding argument, drop it",
        "the comment above load is useless, remove it",
        "the tests of load are useless, delete them",
        "nobody uses the data folder, delete it",
        "the cached value of mean is stale, delete it",
        "mean returns the wrong thing, remove it",
        "mean is used by report, delete it there",
        "mean and median do the same, delete it",
        "the median is better, so mean is dead code, delete it",
        "remove median. mean is unused, remove it",
        "the parser needs load, move it to io.py",
        "nobody will need load as well, move it to io.py",
        "only in legacy.py, nobody uses load, remove it",
        "Ask me first. Nobody uses load, remove it",
        "after the release, nobody uses load, so remove it",
        "once 2.0 is out, nobody needs load, delete it",
        "Wait for CI. load is unused, delete it.",
        "in the old module, we don't use load, drop it",
        "Leave an alias behind. mean is a bad name, rename it to average",
    ],
)
def test_something_of_a_function_is_not_the_function(said: str) -> None:
    assert as_order(said, _named) == said


@pytest.mark.parametrize(
    "said",
    [
        "do not touch load, the try block is not needed, remove it",
        "keep load. the logging is unused, remove it",
        "if nobody uses load, delete it",
        "is mean used? if not, delete it",
        "why is load unused, delete it",
        "add a --json flag to the cli. load is dead code, delete it",
        "add caching to load, then rename it to save",
        "fix the bug in load, then clean it up",
        "the variable x in load is cryptic, rename it to path",
        "the second argument of load is badly named, call it path",
        "load's docstring is misleading, call it total",
        "add a function like load, call it load_all",
        "copy load, rename it to load_all",
        "split the parsing out of load, move it to parsing.py",
        "mean is slow, call it once",
        "mean is slow, make it faster",
    ],
)
def test_no_condition_and_no_other_wish_is_lost(said: str) -> None:
    assert as_order(said, _named) == said


@pytest.mark.parametrize(
    ("said", "order"),
    [
        (
            "load is only needed in report.py, why does it live in io.py? move it over pls, and mind the imports",
            "move load in io.py to report.py",
        ),
        ("load is only used in report.py. please move it there", "move load to report.py"),
        (
            "Hello! load() has no tests yet, would you mind writing some? The empty file matters most.",
            "write tests for load(). The empty file matters most.",
        ),
        ("load has no tests, can you write some?", "write tests for load"),
    ],
)
def test_a_remark_and_its_wish_in_more_words_are_the_order(said: str, order: str) -> None:
    assert as_order(said, _named) == order


@pytest.mark.parametrize(
    "said",
    [
        "load is only used in report.py, move it over and rewrite it",
        "load is only used in report.py, why does it live in io.py?",
        "load has no tests, would you mind explaining why?",
    ],
)
def test_what_goes_beyond_such_a_remark_is_left_as_it_is(said: str) -> None:
    assert as_order(said, _named) == said
