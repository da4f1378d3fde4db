"""Probabilities of the letters A to D after a question, and what is measured on them."""

from __future__ import annotations

import math
from collections.abc import Sequence

LETTERS = "ABCD"
_LEAST = 1e-9
"""Stands for a probability that was rounded to 0, so that its logarithm exists."""

Chances = Sequence[float]
"""Probabilities of the four letters under the model's whole vocabulary."""


def probability(chances: Chances, letter: str) -> float:
    """Probability of a letter under the whole vocabulary."""
    return chances[LETTERS.index(letter)]


def any_letter(chances: Chances, _letter: str = "") -> float:
    """Probability that the answer is a letter at all."""
    return math.fsum(chances)


def share(chances: Chances, letter: str) -> float:
    """Share of a letter in the probability of all four; a quarter if none has any."""
    total = any_letter(chances)
    return probability(chances, letter) / total if total > 0 else 1 / len(LETTERS)


def rank(chances: Chances, letter: str) -> float:
    """Place of a letter among the four, 1 for the likeliest; letters that tie have the mean of their places."""
    own = probability(chances, letter)
    above = sum(other > own for other in chances)
    tied = sum(other == own for other in chances)
    return above + (tied + 1) / 2


def best(chances: Chances) -> int:
    """Place of the likeliest letter, from 0."""
    return max(range(len(LETTERS)), key=chances.__getitem__)


def best_wrong(chances: Chances, answer: int) -> int:
    """Place of the likeliest letter that is not the answer."""
    others = [place for place in range(len(LETTERS)) if place != answer]
    return max(others, key=chances.__getitem__)


def distance(teacher: Chances, student: Chances) -> float:
    """KL(teacher || student) in nats over the four letters and everything else together."""
    pairs = zip(_with_rest(teacher), _with_rest(student), strict=True)
    return math.fsum(p * math.log(p / q) for p, q in pairs)


def _with_rest(chances: Chances) -> list[float]:
    parts = [*chances, 1 - any_letter(chances)]
    kept = [max(part, _LEAST) for part in parts]
    total = math.fsum(kept)
    return [part / total for part in kept]
