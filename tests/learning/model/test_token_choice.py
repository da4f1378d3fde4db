"""Tokens are drawn from the model's own distribution, as temperature and top-p say."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from learning.model.token_choice import certain, likeliest, pick
from learning.records import Sampling

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], dtype=np.float32))


def chance(seed: int = 0) -> random.Random:
    return random.Random(seed)  # noqa: S311 - sampling, not a secret


def shares(sampling: Sampling) -> list[float]:
    draws = chance(3)
    drawn = [pick(LOGITS, sampling, draws).id for _ in range(4000)]
    return [drawn.count(token) / len(drawn) for token in range(4)]


def test_greedy_takes_the_likeliest_and_tells_its_probability() -> None:
    token = pick(LOGITS, Sampling(temperature=0.0), chance())
    assert token.id == 0
    assert token.logprob == pytest.approx(math.log(0.5), abs=1e-5)


def test_draws_follow_the_distribution() -> None:
    assert shares(Sampling(temperature=1.0, top_p=1.0)) == pytest.approx(
        [0.5, 0.3, 0.15, 0.05], abs=0.03
    )


def test_temperature_sharpens_and_top_p_cuts_what_is_unlikely() -> None:
    sharp = shares(Sampling(temperature=0.5, top_p=1.0))
    assert sharp[0] == pytest.approx(0.25 / 0.365, abs=0.03)
    cut = shares(Sampling(temperature=1.0, top_p=0.7))
    assert cut == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)


def test_a_drawn_token_carries_its_probability_without_temperature() -> None:
    token = pick(LOGITS, Sampling(temperature=2.0), chance(5))
    assert token.logprob == pytest.approx(float(LOGITS[token.id]), abs=1e-5)


def test_the_likeliest_come_best_first() -> None:
    assert [token.id for token in likeliest(LOGITS[::-1], 3)] == [3, 2, 1]
    assert len(likeliest(LOGITS, 10)) == 4


def test_a_choice_on_the_edge_is_not_certain() -> None:
    assert not certain(LOGITS)
    assert certain(np.array([0.0, 5.0, 1.0], dtype=np.float32))
