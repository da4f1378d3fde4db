from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats  # type: ignore[import-untyped]

from learning.evaluation.statistics import (
    Alternative,
    TaskScores,
    bootstrap_mean,
    mean_pass_at_k,
    pair,
    paired_bootstrap,
    pass_at_k,
    sign_test,
    wilson,
)

COUNTS = st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(deadline=None)
@given(COUNTS, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_is_that_of_scipy(counts: tuple[int, int], confidence: float) -> None:
    successes, trials = counts
    mine = wilson(successes, trials, confidence=confidence)
    if trials == 0:
        assert (mine.low, mine.high) == (0.0, 1.0)
        return
    theirs = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert mine.low == pytest.approx(theirs.low, abs=1e-12)
    assert mine.high == pytest.approx(theirs.high, abs=1e-12)


@settings(deadline=None)
@given(
    st.integers(0, 200),
    st.integers(0, 200),
    st.sampled_from(("greater", "less", "two-sided")),
)
def test_sign_test_is_the_binomial_test_of_scipy(
    wins: int, losses: int, alternative: Alternative
) -> None:
    mine = sign_test(wins, losses, alternative=alternative)
    if wins + losses == 0:
        assert mine == 1.0
        return
    theirs = stats.binomtest(wins, wins + losses, 0.5, alternative=alternative).pvalue
    assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-300)


@settings(deadline=None)
@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_pass_at_k_is_the_share_of_subsets_with_a_correct_sample(
    counts: tuple[int, int],
) -> None:
    samples, correct = counts
    verdicts = [1] * correct + [0] * (samples - correct)
    for k in range(1, samples + 1):
        subsets = list(itertools.combinations(verdicts, k))
        expected = sum(max(subset) for subset in subsets) / len(subsets)
        assert pass_at_k(samples, correct, k) == pytest.approx(expected)


def test_pass_at_k_is_one_minus_the_hypergeometric_chance_of_none() -> None:
    for samples, correct, k in [(200, 3, 10), (200, 150, 100), (10, 10, 1), (5, 0, 5)]:
        none = stats.hypergeom(samples, correct, k).pmf(0)
        assert pass_at_k(samples, correct, k) == pytest.approx(1 - none, abs=1e-12)


def test_mean_pass_at_k_averages_over_tasks() -> None:
    assert mean_pass_at_k([(2, 1), (2, 2), (2, 0)], 1) == pytest.approx(0.5)


@pytest.mark.parametrize(("samples", "correct", "k"), [(3, 1, 4), (3, 4, 1), (3, -1, 1), (3, 1, 0)])
def test_impossible_counts_are_refused(samples: int, correct: int, k: int) -> None:
    with pytest.raises(ValueError, match=r"samples|cannot be"):
        pass_at_k(samples, correct, k)


def test_bootstrap_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(7).normal(0.05, 0.4, size=120).tolist()
    mine = bootstrap_mean(values, resamples=20_000, seed=1)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", random_state=2
    ).confidence_interval
    assert mine.interval.low == pytest.approx(theirs.low, abs=0.004)
    assert mine.interval.high == pytest.approx(theirs.high, abs=0.004)
    assert mine.mean == pytest.approx(math.fsum(values) / 120)


def test_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(3)
    hits = 0
    for trial in range(200):
        interval = bootstrap_mean(
            generator.normal(0.0, 1.0, size=60).tolist(), resamples=400, seed=trial
        ).interval
        hits += interval.low <= 0.0 <= interval.high
    assert 0.88 <= hits / 200 <= 0.99


def test_bootstrap_repeats_itself_with_the_same_seed() -> None:
    values = [0.0, 1.0, 1.0, -1.0, 0.5]
    assert bootstrap_mean(values, seed=5) == bootstrap_mean(values, seed=5)
    assert bootstrap_mean(values, seed=5).interval is not None


def test_pairing_keeps_only_tasks_that_both_answered() -> None:
    scores = pair({"a": 1.0, "b": 0.0, "c": 1.0}, {"b": 1.0, "c": 1.0, "d": 0.0})
    assert scores.tasks == ("b", "c")
    assert (scores.wins, scores.losses, scores.ties) == (1, 0, 1)


def test_paired_bootstrap_sees_a_gain_that_unpaired_noise_would_hide() -> None:
    a = tuple(float(index % 2) for index in range(100))
    b = tuple(max(value, float(index < 10)) for index, value in enumerate(a))
    found = paired_bootstrap(TaskScores(tasks=tuple(map(str, range(100))), a=a, b=b))
    assert found.interval.low > 0
    assert found.interval.low > 0


def test_nothing_in_common_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="no task"):
        paired_bootstrap(pair({"a": 1.0}, {"b": 1.0}))
