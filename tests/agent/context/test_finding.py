"""The functions that a message is about are found by name, by words and by the frames of a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.context.finding import find_parts
from agent.fixing.context import estimate_tokens
from agent.fixing.sources import Sources

LONG = "\n\n".join(f"def other_{n}(value):\n    return value + {n}" for n in range(20))
SHIPPING = f'''def parcels_needed(grams, limit):
    """Parcels for a weight."""
    return -(-grams // limit)


class Tariff:
    def price(self, zone):
        return self.zones[zone]


{LONG}
'''


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "shipping.py").write_text(SHIPPING)
    (tmp_path / "mean.py").write_text("def mean(values):\n    return sum(values) / len(values)\n")
    return Sources(tmp_path, ["shipping.py", "mean.py"])


def places(message: str, sources: Sources, budget: int = 1000) -> list[str]:
    found = find_parts(message, sources, budget_tokens=budget, count=estimate_tokens)
    return [part.place for part in found]


def test_a_named_function_comes_first_with_its_line(sources: Sources) -> None:
    assert places("what does parcels_needed return?", sources)[0] == "shipping.py:1 parcels_needed"


def test_words_find_a_function_that_is_not_named(sources: Sources) -> None:
    assert (
        places("where is the price of a zone looked up?", sources)[0]
        == "shipping.py:7 Tariff.price"
    )


def test_a_small_file_comes_whole(sources: Sources) -> None:
    assert places("what does mean return for an empty list?", sources)[0] == "mean.py"


def test_a_frame_of_a_traceback_brings_its_function(sources: Sources) -> None:
    trace = 'File "/home/me/shipping.py", line 8, in price\nKeyError: 3'
    assert places(trace, sources)[0] in ("shipping.py:6 Tariff", "shipping.py:7 Tariff.price")


def test_nothing_is_given_beyond_the_budget(sources: Sources) -> None:
    assert places("what does parcels_needed return?", sources, budget=5) == []
