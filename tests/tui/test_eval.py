from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from learning.evaluation.samples import Manifest, Sample, SampleFile
from learning.records import Sampling
from tui.cli import cli


def results(folder: Path, passed: int, *, suite: str = "humaneval") -> Path:
    manifest = Manifest(
        suite=suite,
        model=folder.name,
        weights_sha256="",
        adapter=None,
        prompt="chat",
        prompt_sha256="p",
        data_sha256="d",
        sampling=Sampling(),
        image_id="i",
    )
    verdicts = ["pass"] * passed + ["fail"] * (20 - passed)
    SampleFile(folder, manifest).append(
        Sample(
            task_id=f"T/{number}",
            index=0,
            reply="",
            raw="",
            sanitised="",
            raw_verdict=verdict,
            sanitised_verdict=verdict,
        )
        for number, verdict in enumerate(verdicts)
    )
    return folder


def test_two_results_are_compared_task_by_task(tmp_path: Path) -> None:
    a, b = results(tmp_path / "a", 5), results(tmp_path / "b", 15)
    run = CliRunner().invoke(cli, ["eval", "compare", str(a), str(b)])
    assert "A 25.0 %, B 75.0 %" in run.output
    assert "B is better" in run.output
    assert "p = 0.002" in run.output


def test_a_comparison_as_json(tmp_path: Path) -> None:
    a, b = results(tmp_path / "a", 5), results(tmp_path / "b", 6)
    run = CliRunner().invoke(cli, ["eval", "compare", str(a), str(b), "--json"])
    record = json.loads(run.stdout)
    assert (record["wins"], record["losses"], record["ties"]) == (1, 0, 19)
    assert record["conclusion"] == "not enough evidence for a difference"


def test_different_suites_are_not_compared(tmp_path: Path) -> None:
    a, b = results(tmp_path / "a", 5), results(tmp_path / "b", 6, suite="drift")
    run = CliRunner().invoke(cli, ["eval", "compare", str(a), str(b)])
    assert run.exit_code != 0
    assert "different tasks" in str(run.exception)


@pytest.mark.parametrize("command", ["humaneval", "drift", "mmlu", "gsm8k", "compare"])
def test_each_suite_explains_itself(command: str) -> None:
    run = CliRunner().invoke(cli, ["eval", command, "--help"])
    assert run.exit_code == 0
    assert "Usage: " in run.output


def test_held_out_tasks_are_never_recorded() -> None:
    run = CliRunner().invoke(cli, ["eval", "drift", "--record", "--split", "held-out"])
    assert run.exit_code != 0
    assert "held-out tasks stay unseen" in run.output
