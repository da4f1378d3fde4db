"""Of changes that pass, the likely one is kept, and one that only knows the test's values is not."""

from __future__ import annotations

import pytest

from agent.candidates.candidate import CandidateChange
from agent.candidates.choosing import best_first, special_case
from learning.records import Origin

BEFORE = "def price(kind, n):\n    return n * 3\n"
TEST = "def test_price():\n    assert price('bulk', 7) == 35\n"


def candidate(after: str, **fields: object) -> CandidateChange:
    values: dict[str, object] = {"path": "a.py", "line": 2, "origin": Origin.INFILL, "kind": "line"}
    return CandidateChange(after=after, **(values | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("return 35", "35"),
        ("return 35 if n == 7 else n * 3", "7"),
        ("return n * 3 if kind != 'bulk' else n * 5", "'bulk'"),
        ("return {7: 35}.get(n, n * 3)", "35"),
        ("return n * 5", ""),
        ("if n == 7:\n        return 35\n    return n * 3", "7"),
        ("return n * 3 + 14", ""),
        ("return n * 3 if n < 7 else n * 5", ""),
        ("return 0 if n == 1 else n * 5", ""),
    ],
)
def test_a_change_that_treats_the_values_of_the_test_apart_is_named(line: str, value: str) -> None:
    after = BEFORE.replace("return n * 3", line)
    found = special_case(candidate(after), BEFORE, TEST)
    assert bool(found) is bool(value)


def test_a_constant_that_takes_the_place_of_another_is_no_special_case() -> None:
    before = "def price(kind, n):\n    return 36\n"
    assert special_case(candidate(before.replace("36", "35")), before, TEST) == ""


def test_a_value_that_the_file_had_before_is_no_special_case() -> None:
    before = "BULK = 'bulk'\n" + BEFORE
    after = before.replace("return n * 3", "return n * (5 if kind == 'bulk' else 3)")
    assert special_case(candidate(after), before, TEST) == ""


def test_a_number_too_long_for_its_decimal_form_is_a_value_like_others() -> None:
    long = "0x" + "f" * 5000
    test = f"def test_price():\n    assert price(7) == {long}\n"
    after = BEFORE.replace("return n * 3", f"return {long} if n else n")
    assert special_case(candidate(after), BEFORE, test) == long
    assert special_case(candidate(after), BEFORE, TEST) == ""


def test_the_usual_kind_the_likely_line_and_the_smaller_change_come_first() -> None:
    order = best_first(
        [
            candidate("1", cost=4),
            candidate("2", cost=2, likelihood=-5.0),
            candidate("3", cost=2, likelihood=-0.5, changed_characters=9),
            candidate("4", cost=2, likelihood=-0.5, changed_characters=3),
        ]
    )
    assert [item.after for item in order] == ["4", "3", "2", "1"]


def test_a_form_feed_in_a_text_hides_no_special_case() -> None:
    before = f'PAGE = "\f"\n{BEFORE}'
    after = before.replace("return n * 3", "return 35")
    assert special_case(candidate(after), before, TEST) == "35"
