from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lab.report import (
    ComparisonError,
    Meter,
    check_comparable,
    compare,
    pass_rates,
    summarise,
    task_means,
    total_cost,
)
from learning.evaluation.samples import ResultManifest, Sample
from learning.records import Sampling

_BUSY = "sum(n * n for n in range(1_500_000))"
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


def sample(task: str = "T/0", index: int = 0, verdict: str = "pass", **changes: object) -> Sample:
    base = Sample(
        task_id=task,
        index=index,
        reply="r",
        raw="x = 1",
        sanitised="x = 1",
        raw_verdict=verdict,
        sanitised_verdict=verdict,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_scores_say_how_many_samples_and_tasks_they_rest_on() -> None:
    scores = summarise(
        [
            sample("a", raw_verdict="error", completion_tokens=7, generation_s=1.5),
            sample("b", verdict="timeout", completion_tokens=3),
        ]
    )
    assert (scores.tasks, scores.samples) == (2, 2)
    assert scores.raw[0].value == 0.0
    assert scores.sanitised[0].value == 0.5
    assert scores.endings == {"pass": 1, "timeout": 1}
    assert (scores.completion_tokens, scores.generation_s) == (10, 1.5)


def test_published_level_lies_in_the_wilson_interval() -> None:
    verdicts = [(str(task), task < 113) for task in range(164)]
    rate = pass_rates(verdicts)[0]
    assert f"{rate.value:.3f} {rate.interval.low:.3f} {rate.interval.high:.3f}" == (
        "0.689 0.615 0.755"
    )


def test_pass_at_10_appears_only_with_ten_samples_a_task() -> None:
    few = [("a", index == 0) for index in range(9)]
    many = [("a", index == 0) for index in range(10)]
    assert [rate.k for rate in pass_rates(few)] == [1]
    assert [(rate.k, rate.value) for rate in pass_rates(many)] == [(1, 0.1), (10, 1.0)]


def test_task_means_average_the_samples_of_a_task() -> None:
    means = task_means([sample("a", 0), sample("a", 1, "fail"), sample("b", 0, "fail")])
    assert means == {"a": 0.5, "b": 0.0}


def test_the_processor_time_of_children_that_ended_counts(tmp_path: Path) -> None:
    with Meter() as meter:
        meter.folder = tmp_path
        subprocess.run([sys.executable, "-c", _BUSY], check=True)
    cost = total_cost(tmp_path)
    assert cost is not None
    assert cost.cpu_s > 0.01
    assert cost.cpu_s < cost.wall_s + 1.0
    assert cost.runs == 1


def test_an_interrupted_run_counts_as_far_as_it_came(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted(tmp_path)
    with Meter() as meter:
        meter.folder = tmp_path
    cost = total_cost(tmp_path)
    assert cost is not None
    assert cost.runs == 2


def test_without_a_measured_run_there_is_no_cost(tmp_path: Path) -> None:
    with Meter():
        pass
    assert total_cost(tmp_path) is None


def _interrupted(folder: Path) -> None:
    with Meter() as meter:
        meter.folder = folder
        raise KeyboardInterrupt
