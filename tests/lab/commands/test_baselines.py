"""`elagent eval baselines` with a tiny random model and the real sandbox: run, and taken up again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.fakes.tiny_llama import build_tiny_model
from tui.cli import cli

pytestmark = [pytest.mark.docker, pytest.mark.slow]

_CONFIG = """
model = "{model}"
engine = "torch"
experience = 2
held_out = 1
samples = 2
max_tokens = 24
arms = ["base", "ssd", "shuffled"]
[training]
steps = 1
max_tokens = 512
"""


def _task(name: str, number: int) -> str:
    return json.dumps(
        {
            "task_id": f"Tiny/{number}",
            "prompt": f'def {name}(x):\n    """Return x plus {number}."""\n',
            "entry_point": name,
            "canonical_solution": f"    return x + {number}\n",
            "test": f"def check(candidate):\n    assert candidate(1) == {1 + number}\n",
        }
    )


def _run(tmp_path: Path) -> Result:
    return CliRunner().invoke(
        cli,
        [
            *("eval", "baselines", str(tmp_path / "config.toml"), "--json"),
            *("--data", str(tmp_path / "tasks.jsonl"), "--out", str(tmp_path / "out")),
        ],
    )


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # by peft
def test_arms_are_learned_and_measured_once_and_taken_up_again(
    tmp_path: Path,
) -> None:
    (tmp_path / "model").mkdir()
    build_tiny_model(tmp_path / "model")
    (tmp_path / "config.toml").write_text(_CONFIG.format(model=tmp_path / "model"))
    (tmp_path / "tasks.jsonl").write_text("\n".join(_task(f"f{n}", n) for n in range(3)) + "\n")
    first = _run(tmp_path)
    assert first.exit_code == 0, first.output
    record = json.loads(first.stdout.splitlines()[-1])
    assert record["sandbox_runs_learned_from"] == 4
    assert set(record["arms"]) == {"base", "ssd", "shuffled"}
    assert all(len(arm["greedy"]) == 1 for arm in record["arms"].values())
    assert record["arms"]["ssd"]["examples"] == 4
    assert record["arms"]["ssd"]["stale_api_errors"] is None, "of drift alone"
    assert record["arms"]["ssd"]["cost"]["tokens made"] > 0
    assert record["attempts_cost"]["s in the sandbox"] > 0
    assert not list((tmp_path / "out" / "samples").glob("*-sampled")), "none were asked for"

    kept = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.jsonl")}
    again = _run(tmp_path)
    assert json.loads(again.stdout.splitlines()[-1]) == record
    assert {path: path.read_bytes() for path in kept} == kept
