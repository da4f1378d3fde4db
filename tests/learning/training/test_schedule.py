"""The learning rate and the end of a round."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import get_args, get_type_hints

import pytest

from agent.settings.schema import LearnSettings
from learning.model.catalog import ModelIdentity
from learning.training.api_rows import ApiTokens
from learning.training.job import ExampleKind, TrainingJob
from learning.training.prepare import Prepared
from learning.training.rules import SPAN, SPAN_ARMS, LearningRule
from learning.training.schedule import (
    about_apis,
    epoch_steps,
    is_measured,
    learning_rate,
    should_stop,
    split,
)

_JOB = TrainingJob(
    id="j",
    model="tiny",
    model_folder="",
    base=ModelIdentity(weights_sha256="", tokenizer_sha256="", template_sha256=""),
    adapter_prefix="el",
    created_at=0.0,
    steps=200,
    learning_rate=1.0,
    rule=SPAN,
)


def test_the_rate_rises_for_a_twentieth_of_an_epoch_and_falls_along_a_cosine() -> None:
    rates = [learning_rate(_JOB, done) for done in range(200)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5] == 1.0
    assert rates[5 + 95 // 2] == pytest.approx(0.5, abs=0.01)
    assert rates[99] < 0.001
    assert all(a > b for a, b in itertools.pairwise(rates[5:100]))
    assert rates[100:] == rates[:100]


def test_a_round_about_apis_sees_each_row_once_an_epoch_in_batches_of_eight() -> None:
    pair = Prepared(
        kind=ExampleKind.API_PAIR, ids=(1, 2, 3), positions=(2,), api=ApiTokens(names=(2,))
    )
    kept = Prepared(kind=ExampleKind.OWN_PASS, ids=(1, 2, 3), positions=(2,))
    job = about_apis(_JOB, [pair] * 40 + [kept] * 40, arm="span")
    assert (job.rule, job.batch) == (SPAN, 8)
    assert job.steps == 2 * 10  # 76 rows: a tenth of the pairs is only measured
    assert epoch_steps(job) == 10


def test_the_settings_name_every_arm() -> None:
    kind = get_type_hints(LearnSettings)["api_rule"]
    assert set(get_args(kind)) == set(SPAN_ARMS)


def test_the_rate_is_constant_by_default() -> None:
    job = replace(_JOB, rule=LearningRule())
    assert [learning_rate(job, done) for done in (0, 1, 2, 150)] == [0.5, 1.0, 1.0, 1.0]


def test_unseen_rows_are_measured_at_the_middle_and_the_end_of_an_epoch() -> None:
    assert [n for n in range(1, 201) if is_measured(_JOB, n)] == [50, 100, 150, 200]
    short = replace(_JOB, steps=1)
    assert [n for n in range(1, 3) if is_measured(short, n)] == [1, 2]


@pytest.mark.parametrize(
    ("middle", "end", "stops"), [(2.0, 1.5, False), (2.0, 2.0, True), (1.5, 2.0, True)]
)
def test_a_second_epoch_begins_only_while_unseen_rows_gain(
    middle: float, end: float, *, stops: bool
) -> None:
    losses = [None] * 49 + [middle] + [None] * 49 + [end]
    assert should_stop(_JOB, losses) is stops
    assert not should_stop(_JOB, losses[:-1])


def test_two_rises_in_a_row_end_a_round_of_one_epoch() -> None:
    job = replace(_JOB, rule=LearningRule())
    assert should_stop(job, [None, 1.0, None, 1.1, None, 1.2])
    assert not should_stop(job, [None, 1.0, None, 1.1, None, 1.05])
    assert not should_stop(job, [])


def test_few_examples_are_all_learned_and_many_spare_a_tenth_at_most_32() -> None:
    assert split(range(9), _JOB) == (list(range(9)), [])
    learned, spared = split(range(50), _JOB)
    assert (len(learned), len(spared)) == (45, 5)
    assert sorted([*learned, *spared]) == list(range(50))
    assert len(split(range(1000), _JOB)[1]) == 32
