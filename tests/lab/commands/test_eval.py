from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agent.library.adapters import named_folder
from lab.benchmarks.mmlu import Shift, shift_file
from lab.commands.drift_sets import keep_verdicts
from lab.commands.options import Shipped, shipped_sets, shipped_settings
from lab.commands.progress import Counted
from lab.commands.report import show
from lab.drift.tasks import Verified
from learning.evaluation.samples import ResultManifest, Sample, SampleFile, read_manifest
from learning.records import Sampling
from sandbox.box.status import Status
from tui.cli import cli
from tui.wiring import context

ROOT = Path(__file__).resolve().parents[3]


def results(folder: Path, passed: int, *, suite: str = "humaneval") -> Path:
    manifest = ResultManifest(
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


def test_scores_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results(tmp_path / "a", 5)
    file = SampleFile(folder, read_manifest(folder))
    show(file, list(file.read().values()), of_tasks=20, as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert record["endings"] == {"pass": 5, "fail": 15}
    assert record["sanitised"][0]["value"] == 0.25


def _answers(folder: Path, right: int, *, every: bool) -> Path:
    """An MMLU folder of ten questions; right answers are measured in full only with `every`."""
    manifest = ResultManifest(
        suite="mmlu",
        model=folder.name,
        weights_sha256="",
        adapter=None,
        prompt="all" if every else "wrong",
        prompt_sha256="p",
        data_sha256="d",
        sampling=Sampling(),
        image_id="",
    )
    file = shift_file(folder, manifest)
    for number in range(10):
        letters = (0.6, 0.2, 0.1, 0.1) if number < right else (0.1, 0.6, 0.2, 0.1)
        shift = Shift(
            question_id=f"q{number}", correct="A", wrong="B", probabilities={"none": letters}
        )
        file.append({f"q{number}": shift if every or number >= right else None})
    return folder


@pytest.mark.parametrize("every", [True, False])
def test_answers_to_questions_are_compared_by_right_and_wrong(
    tmp_path: Path,
    every: bool,
) -> None:
    a = _answers(tmp_path / "a", 2, every=False)
    b = _answers(tmp_path / "b", 9, every=every)
    page = tmp_path / "page.html"
    run = CliRunner().invoke(cli, ["eval", "compare", str(a), str(b), "--html", str(page)])
    assert "A 20.0 %, B 90.0 %" in run.output
    assert "B is better" in run.output
    assert page.read_text().count("<td>q") == 10


def test_different_suites_are_not_compared(tmp_path: Path) -> None:
    a, b = results(tmp_path / "a", 5), results(tmp_path / "b", 6, suite="drift")
    run = CliRunner().invoke(cli, ["eval", "compare", str(a), str(b)])
    assert run.exit_code != 0
    assert "different tasks" in str(run.exception)


@pytest.mark.parametrize(
    "command",
    ["humaneval", "drift", "repo", "capability", "mmlu", "gsm8k", "compare", "humanevalfix"],
)
def test_each_suite_explains_itself(command: str) -> None:
    run = CliRunner().invoke(cli, ["eval", command, "--help"])
    assert run.exit_code == 0
    assert "Usage: " in run.output


def test_held_out_tasks_are_never_recorded() -> None:
    run = CliRunner().invoke(cli, ["eval", "drift", "--record", "--split", "held-out"])
    assert run.exit_code != 0
    assert "held-out tasks stay unseen" in run.output


@pytest.mark.parametrize("own", [["--record"], ["--first-replies", "."]])
def test_what_needs_files_of_this_machine_is_not_sent_to_a_cluster(own: list[str]) -> None:
    words = ["eval", "drift", "--split", "experience", "--cluster", "local", *own]
    run = CliRunner().invoke(cli, words)
    assert run.exit_code == 2
    assert f"{own[0]} needs files of this machine: leave --cluster away" in run.output


def test_a_comparison_is_one_page_with_every_task(tmp_path: Path) -> None:
    a, b = results(tmp_path / "a<1>", 5), results(tmp_path / "b", 15)
    target = tmp_path / "page.html"
    run = CliRunner().invoke(cli, ["eval", "compare", str(a), str(b), "--html", str(target)])
    assert run.exit_code == 0
    text = target.read_text()
    assert "B is better" in text
    assert "p = 0.002" in text
    assert text.count("<svg") == 3
    assert text.count("<td>T/") == 20
    assert text.count("<td>B wins</td>") == 10
    assert "a&lt;1&gt;" in text
    assert not re.search(r"(?:src|href)=|https?://|url\(|<script|a<1>", text)


def test_two_adapter_folders_of_one_name_are_not_taken_for_each_other(tmp_path: Path) -> None:
    names, folder = [], tmp_path
    for number in range(2):
        folder = tmp_path / str(number) / "adapter"
        folder.mkdir(parents=True)
        (folder / "adapter_config.json").write_text("{}")
        (folder / "adapter_model.safetensors").write_bytes(bytes([number]))
        names.append(named_folder(context(tmp_path).repository, str(folder))[0])
    (folder / "adapter_config.json").write_text('{"lora_alpha": 8}')
    names.append(named_folder(context(tmp_path).repository, str(folder))[0])
    assert len(set(names)) == 3, "the same weights at another strength are another adapter"
    assert all(name.startswith("adapter-") for name in names)


def test_arms_of_trl_are_refused_before_anything_runs_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.commands.baselines.find_spec", lambda _name: None)
    config, out = tmp_path / "arms.toml", tmp_path / "out"
    config.write_text('arms = ["base", "trl-grpo"]\n')
    run = CliRunner().invoke(cli, ["eval", "baselines", str(config), "--out", str(out)])
    assert 'trl-grpo: TRL is not installed; pip install "elagent[baselines]"' in str(run.exception)
    assert not out.exists()


def test_each_line_of_progress_tells_the_time_that_is_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 0.0
    line = Counted(clock=lambda: now)
    for now, done in ((100.0, 7), (101.0, 8), (120.0, 9), (130.0, 10)):  # noqa: B007 - the clock reads `now`
        line(done, 10, "asked")
    assert capsys.readouterr().err.splitlines() == [
        "[7/10] asked",
        "[8/10] asked",
        "[9/10] asked, 10 s left",
        "[10/10] asked",
    ]


def test_what_comes_with_elagent_has_names_and_anything_else_is_a_path(tmp_path: Path) -> None:
    kind = Shipped(shipped_sets())
    assert kind.convert("drift-tools", None, None).name == "drift-tools"
    assert kind.convert(str(tmp_path), None, None) == tmp_path
    assert set(shipped_settings("article", "mmlu")) == {
        "hours/mmlu",
        "mmlu",
        "small/mmlu",
        "small/mmlu-default-model",
    }
    with pytest.raises(click.BadParameter, match="neither a path nor one of drift, drift-tools"):
        kind.convert(str(tmp_path / "none"), None, None)


@pytest.mark.parametrize("command", ["mmlu", "gsm8k"])
def test_a_set_that_does_not_come_with_elagent_is_asked_for(command: str) -> None:
    run = CliRunner().invoke(cli, ["eval", command])
    assert run.exit_code == 2
    assert "give --data FILE:" in run.output
    assert "does not come with elagent" in run.output


@pytest.mark.parametrize(("shipped", "written"), [(True, False), (False, True)])
def test_verdicts_are_written_beside_tasks_of_a_folder_and_never_into_the_installation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, shipped: bool, written: bool
) -> None:
    folder = shipped_sets()["drift"] if shipped else tmp_path
    before = (folder / "verified.json").read_bytes() if shipped else b""
    item = Verified(
        task_id="t",
        reference=Status.PASS,
        outdated=Status.ERROR,
        error="AttributeError: f (/usr/lib/f.py)",
        reference_note="",
    )
    keep_verdicts(folder, [item])
    after = (folder / "verified.json").read_bytes()
    assert (after != before) is written
    assert ("give --tasks FOLDER" in capsys.readouterr().err) is shipped
    if written:
        assert json.loads(after)["t"]["error"] == "AttributeError: f"


def test_humanevalfix_says_what_it_needs() -> None:
    run = CliRunner().invoke(cli, ["eval", "humanevalfix"])
    assert run.exit_code == 2
    assert "give --data FILE: HumanEvalFix does not come with elagent" in run.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--workers", "2"], "--workers needs --cluster"),
        (["--cluster", "local", "--base-url", "http://127.0.0.1:1/v1"], "leave --base-url"),
        (["--cluster", "local", "--canonical"], "leave --canonical and --from away"),
    ],
)
def test_a_cluster_asks_the_models_of_its_own_nodes(words: list[str], told: str) -> None:
    run = CliRunner().invoke(cli, ["eval", "humaneval", *words])
    assert run.exit_code == 2
    assert told in run.output


def test_a_cluster_without_ray_says_what_to_install(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text('{"question": "What is 1 and 1?", "answer": "#### 2"}\n')
    code = (
        "import sys; sys.modules['ray'] = None; from tui.cli import main;"
        f" sys.argv[1:] = ['eval', 'gsm8k', '--data', {str(data)!r}, '--cluster', 'auto']; main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.stderr.strip() == (
        "elagent: --cluster needs Ray, which is not installed: pip install 'elagent[ray]'"
    )
