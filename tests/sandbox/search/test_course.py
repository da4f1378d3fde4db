"""How long the unchanged project's tests take, where noting lines slows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.search.inside import alarm, line_trace
from sandbox.search.inside.course import RunWatch, TrialCourse

RED = "test_a.py::test"


class SlowTrace:
    """Notes nothing; tests take longer under it."""

    slows = True

    def __init__(self, _root: str) -> None:
        pass

    def start(self) -> None:
        pass

    def stop(self) -> set[tuple[str, int]]:
        return set()


@dataclass
class Runs:
    """Runs that take the next of some seconds: for imports, then for the tests."""

    seconds: Iterator[tuple[float, float]]
    now: float = 0.0
    watches: list[RunWatch] = field(default_factory=list)

    def run(self, watch: RunWatch, only: list[str] | None = None) -> None:
        self.watches.append(watch)
        imports_s, tests_s = next(self.seconds)
        self.now += imports_s
        watch.collected()
        if only is None:
            self.now += tests_s
        for test_id in only or ():
            self.now += tests_s
            watch.begin(test_id)
            watch.failed(test_id, "")
            if watch.end(test_id):
                break


def first(
    *seconds: tuple[float, float], red_s: float = 20.0, more: Sequence[str] = ()
) -> dict[str, Any]:
    runs = Runs(iter(seconds))
    modules: dict[str, Any] = {
        "alarm": alarm,
        "line_trace": SimpleNamespace(
            LineTrace=SlowTrace,
            Spectrum=line_trace.Spectrum,
            foreign_modules=line_trace.foreign_modules,
        ),
    }
    orders = {
        "endless": [],
        "red": [RED, *more],
        "known_red": [RED],
        "beside": [],
        "red_s": red_s,
        "green_s": 20.0,
        "first_s": 30.0,
    }
    course = TrialCourse(runs, "/", orders, modules.__getitem__, lambda: runs.now)
    return course.first(trace=True)


def test_the_imports_of_the_project_count_where_red_tests_run_again_without_lines() -> None:
    told = first((1.5, 0.02), (0.0, 0.5), (0.0, 0.01))
    assert told["red_s"] == pytest.approx(1.52)
    assert told["all_s"] == pytest.approx(0.5)
    assert not told["slowed"]


@pytest.mark.parametrize("tests_s", [1.5, 9.0])
def test_red_tests_that_took_much_longer_than_again_are_no_measure(tests_s: float) -> None:
    assert first((0.0, tests_s), (0.0, 0.5), (0.0, 0.01))["slowed"]


def test_red_tests_end_in_their_time_and_those_that_ran_are_told() -> None:
    told = first(
        (0.0, 9.0), (0.0, 0.5), red_s=12.0, more=["test_a.py::test_b", "test_a.py::test_c"]
    )
    assert told["red_ids"] == [RED, "test_a.py::test_b"]
    assert told["cut_short"]
    assert told["slowed"]
