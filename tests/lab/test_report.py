from __future__ import annotations

from dataclasses import replace

import pytest

from lab.report import ComparisonError, check_comparable, compare
from learning.evaluation.samples import ResultManifest
from learning.records import Sampling

MANIFEST = ResultManifest(
    suite="humaneval",
    model="m",
    weights_sha256="w",
    adapter=None,
    prompt="chat",
    prompt_sha256="p",
    data_sha256="d",
    sampling=Sampling(),
    image_id="i",
)


def test_only_tasks_that_differ_say_anything() -> None:
    a = {f"t{i}": float(i % 2) for i in range(40)}
    b = {**a, "t0": 1.0, "t2": 1.0, "t1": 0.0}
    found = compare(a, b)
    assert (found.scores.wins, found.scores.losses, found.scores.ties) == (2, 1, 37)
    assert found.won == ("t0", "t2")
    assert found.lost == ("t1",)
    assert found.conclusion == "not enough evidence for a difference"


def test_five_wins_without_a_loss_are_significant_one_sided_only() -> None:
    a = dict.fromkeys((f"t{i}" for i in range(30)), 0.0)
    found = compare(a, {**a, **dict.fromkeys((f"t{i}" for i in range(5)), 1.0)})
    assert found.p_greater == pytest.approx(1 / 32)
    assert found.conclusion == "not enough evidence for a difference"


@pytest.mark.parametrize(("better", "says"), [(1.0, "B is better"), (-1.0, "B is worse")])
def test_ten_of_ten_is_a_difference(better: float, says: str) -> None:
    a = dict.fromkeys((f"t{i}" for i in range(10)), 0.5)
    assert compare(a, dict.fromkeys(a, 0.5 + better / 2)).conclusion == says


def test_tasks_of_one_side_only_are_counted_and_left_out() -> None:
    assert compare({"a": 1.0, "b": 0.0}, {"b": 1.0, "c": 1.0}).left_out == 2


def test_nothing_in_common_is_never_compared() -> None:
    with pytest.raises(ComparisonError, match="no task in common"):
        compare({"a": 1.0}, {"b": 1.0})


def test_results_of_different_tasks_are_never_compared() -> None:
    with pytest.raises(ComparisonError, match="different tasks"):
        check_comparable(MANIFEST, replace(MANIFEST, data_sha256="other"))


def test_what_differs_beside_the_model_is_named() -> None:
    other = replace(MANIFEST, adapter="el-1", prompt_sha256="q", image_id="j")
    assert check_comparable(MANIFEST, other) == ("prompt", "image")
