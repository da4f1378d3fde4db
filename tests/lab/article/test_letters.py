from __future__ import annotations

import math

import pytest

from lab.article.letters import best, best_wrong, distance, probability, rank, share


def test_a_model_that_learns_to_say_letters_gains_p_and_neither_share_nor_rank() -> None:
    before, after = (0.02, 0.06, 0.01, 0.01), (0.2, 0.6, 0.1, 0.1)
    assert probability(after, "A") == 10 * probability(before, "A")
    assert share(after, "A") == pytest.approx(share(before, "A"))
    assert rank(after, "A") == rank(before, "A") == 2


def test_letters_that_tie_share_their_places() -> None:
    assert [rank((0.4, 0.2, 0.2, 0.1), letter) for letter in "ABCD"] == [1, 2.5, 2.5, 4]
    assert share((0.0, 0.0, 0.0, 0.0), "B") == 0.25


def test_the_likeliest_wrong_letter_is_never_the_answer() -> None:
    chances = (0.1, 0.5, 0.3, 0.1)
    assert (best(chances), best_wrong(chances, 1), best_wrong(chances, 2)) == (1, 2, 1)


def test_the_distance_counts_everything_that_is_no_letter_as_one() -> None:
    teacher, student = (0.5, 0.0, 0.0, 0.0), (0.25, 0.0, 0.0, 0.0)
    assert distance(teacher, student) == pytest.approx(
        0.5 * math.log(2) + 0.5 * math.log(0.5 / 0.75), abs=1e-6
    )
    assert distance(teacher, teacher) == pytest.approx(0)
