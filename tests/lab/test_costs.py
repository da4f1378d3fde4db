from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.report import Meter, total_cost

_BUSY = "sum(n * n for n in range(1_500_000))"


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
