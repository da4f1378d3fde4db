"""The model is shown the neighbours of a line, and its fills become changes of the file."""

from __future__ import annotations

import os

import pytest

from agent.candidates.infill import (
    as_comment,
    definition_gap,
    filled_definition,
    filled_gap,
    line_gaps,
)
from agent.localisation.places import FaultPlace
from agent.model.protocol import Fill

SOURCE = "def mean(values):\n    return sum(values) / len(values)\n"
LONG = "".join(f"x{n} = {n}\n" for n in range(2000))
PLACE = FaultPlace(path="a.py", line=2, end_line=2, score=1.0)


def text(path: str) -> str | None:
    return {"a.py": SOURCE, "long.py": LONG}.get(path)


def fill(words: str) -> Fill:
    return Fill(text=words, logprob=-1.0, tokens=3)


def test_the_line_itself_is_never_shown() -> None:
    gap, inserted = line_gaps([PLACE], text, "# why\n\n")
    assert gap.prefix == "# why\n\ndef mean(values):\n    "
    assert gap.suffix == "\n"
    assert "len(values)" not in gap.prefix + gap.suffix
    assert inserted.suffix == "\n    return sum(values) / len(values)\n"


@pytest.mark.parametrize("odd", ["\f", "\u2028", "\x1c", "\x85"])
def test_lines_count_as_for_pythons_parser(odd: str) -> None:
    source = f'SEPARATOR = "{odd}"\n{SOURCE}'
    place = FaultPlace(path="a.py", line=3, end_line=3, score=1.0)
    gap = next(line_gaps([place], lambda _path: source, ""))
    assert gap.hidden == "return sum(values) / len(values)"
    (made,) = filled_gap(gap, fill("return 0"), lambda _path: source)
    assert made.after == source.replace("sum(values) / len(values)", "0")


def test_of_a_long_file_only_the_neighbours_are_shown() -> None:
    place = FaultPlace(path="long.py", line=1000, end_line=1000, score=1.0)
    gap = next(line_gaps([place], text, ""))
    assert len(gap.prefix + gap.suffix) < 2000
    assert gap.prefix.endswith("x998 = 998\n")
    assert gap.suffix.startswith("\nx1000 = 1000\n")


def test_a_fill_of_several_lines_also_stands_for_its_first() -> None:
    _, inserted = line_gaps([PLACE], text, "")
    (whole,) = filled_gap(inserted, fill("if not values:\n        return 0"), text)
    assert whole.after == SOURCE.replace(
        "    return", "    if not values:\n        return 0\n    return"
    )
    gap = next(line_gaps([PLACE], text, ""))
    both = filled_gap(gap, fill("return 1\n    return 2"), text)
    assert [c.after.splitlines()[1:] for c in both] == [
        ["    return 1", "    return 2"],
        ["    return 1"],
    ]


def test_a_fill_that_changes_nothing_says_nothing_or_is_no_python_is_left_out() -> None:
    gap = next(line_gaps([PLACE], text, ""))
    for words in ("return sum(values) / len(values)", "", "   ", "# a comment", "return (", "}"):
        assert filled_gap(gap, fill(words), text) == [], words


def test_a_missing_function_goes_to_the_end_of_its_module() -> None:
    gap = definition_gap("a.py", "total", text, as_comment("why"))
    assert gap.prefix.endswith("len(values)\n\n\ndef total(")
    made = filled_definition(
        gap, "total", fill("values):\n    return sum(values)\n\nprint(1)"), text
    )
    assert made is not None
    assert made.after == SOURCE + "\n\ndef total(values):\n    return sum(values)\n"
    assert filled_definition(gap, "total", fill("values:\n"), text) is None


def test_gaps_of_one_place_begin_with_the_same_text_so_that_it_is_read_once() -> None:
    place = FaultPlace(path="long.py", line=1000, end_line=1005, score=1.0)
    gaps = [gap for gap in line_gaps([place], text, "# why\n\n") if not gap.inserted]
    shared = os.path.commonprefix([gap.prefix for gap in gaps])  # noqa: RUF071 - text is meant
    assert len(gaps) == 6
    assert shared.count("\n") >= 60


def test_a_line_is_shown_within_its_function_and_below_the_head_of_its_class() -> None:
    source = (
        "import math\n\n\ndef other():\n    return 1\n\n\nclass Basket:\n    size = 0\n\n"
        "    def first(self):\n        return 1\n\n    @property\n    def total(self):\n"
        "        found = 0\n        return found\n\n    def last(self):\n        return 2\n"
    )
    place = FaultPlace(path="a.py", line=16, end_line=16, score=1.0)
    gap = next(line_gaps([place], lambda _path: source, "# why\n\n"))
    head = "class Basket:\n    @property\n    def total(self):\n        "
    assert gap.prefix == f"# why\n\n{head}"
    assert gap.suffix == "\n        return found\n"
