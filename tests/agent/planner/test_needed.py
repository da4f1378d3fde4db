"""Which requests a planner is asked about: several files, several changes, or a wish without a place."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.intent.rules import by_rules
from agent.intent.wanted import Wanted
from agent.planner.needed import needs_steps

FILES = {
    "shop/prices.py": "def line_total(price, count):\n    return price * count\n",
    "shop/report.py": "class SalesReport:\n    pass\n\n\ndef add(a, b):\n    return a + b\n",
    "tests/test_prices.py": "def test_line_total():\n    pass\n",
}


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return Sources(tmp_path, FILES)


@pytest.mark.parametrize(
    "text",
    [
        "let shop/prices.py round to cents and show that in shop/report.py",
        "give line_total() a discount and use it in SalesReport",
        "change prices.py: round the price, validate the count, and log the total",
        "make the application faster",
        "improve the error messages",
        "create a package for currencies with support for exchange rates",
    ],
)
def test_several_files_several_changes_and_vague_wishes_need_steps(
    text: str, sources: Sources
) -> None:
    wanted = by_rules(text)
    assert wanted is not None
    assert needs_steps(text, wanted, sources)


@pytest.mark.parametrize(
    "text",
    [
        "let line_total round to cents",
        "round the total in shop/prices.py",
        "add a test for line_total in tests/test_prices.py",
        "write a function that reverses a string",
        "add a function median to statistics.py",
        "now let it also handle an empty list",
        "change that back",
    ],
)
def test_one_place_a_small_new_thing_and_what_was_said_before_need_none(
    text: str, sources: Sources
) -> None:
    assert not needs_steps(text, by_rules(text) or Wanted.EDIT, sources)


@pytest.mark.parametrize("wanted", [Wanted.QUESTION, Wanted.EXPLAIN, Wanted.RUN, Wanted.RENAME])
def test_what_changes_nothing_or_is_done_by_a_tool_needs_none(
    wanted: Wanted, sources: Sources
) -> None:
    assert not needs_steps("compare shop/prices.py with shop/report.py", wanted, sources)
