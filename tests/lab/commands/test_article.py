from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from lab.article.results import ArmRow, ExperimentResult, Figure, paired_row, save_experiment
from tui.cli import cli
from tui.show.page import Span, page, spans, table


def outcome(folder: Path) -> Path:
    folder.mkdir()
    before = {f"q/{n}": 0.1 for n in range(10)}
    after = {f"q/{n}": 0.3 + n / 100 for n in range(10)}
    found = ExperimentResult(
        experiment="mmlu",
        model="tiny <model>",
        settings={"learn": 20},
        rows=(
            paired_row("answer", "p(correct)", before, after, of_tasks=20),
            paired_row("answer", "p(correct), others", before, before, of_tasks=20),
            ArmRow(arm="unlettered", measure="p(correct)", of_tasks=20, note="not run yet"),
        ),
        cost={"tokens made": 1234.0},
    )
    save_experiment(folder, found)
    return folder


def test_our_figures_stand_beside_those_of_the_article(tmp_path: Path) -> None:
    run = CliRunner().invoke(
        cli,
        ["eval", "article", "report", str(outcome(tmp_path / "a")), "--json"],
    )
    (record,) = [json.loads(line) for line in run.stdout.splitlines()]
    told, other, missing = record["rows"]
    assert told["before"].startswith("10.0 (")
    assert told["after"].startswith("34.5 (")
    assert told["gain"].startswith("+24.5 (")
    assert told["tasks"] == "10 of 20"
    assert told["the article"] == "10.8 -> 50.4"
    assert other["the article"] == ""
    assert (missing["after"], missing["the article"]) == ("", "10.8 -> 45.3")


def test_the_report_is_one_page_that_loads_nothing(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    folder = outcome(tmp_path / "a")
    run = CliRunner().invoke(cli, ["eval", "article", "report", str(folder), "--html", str(target)])
    assert run.exit_code == 0
    assert "tiny <model>" in run.output
    text = target.read_text()
    assert "tiny &lt;model&gt;" in text
    assert text.count("<svg") == 2
    assert not re.search(r"(?:src|href)=|https?://|@import|url\(|<script", text)


def test_a_folder_without_an_outcome_is_named(tmp_path: Path) -> None:
    run = CliRunner().invoke(cli, ["eval", "article", "report", str(tmp_path)])
    assert run.exit_code != 0
    assert "holds no outcome" in str(run.exception)


@pytest.mark.parametrize("command", ["mmlu", "humaneval", "gsm8k", "report"])
def test_each_experiment_explains_itself(command: str) -> None:
    run = CliRunner().invoke(cli, ["eval", "article", command, "--help"])
    assert run.exit_code == 0
    assert "--html" in run.output


def test_words_of_models_and_tasks_are_escaped() -> None:
    text = page("<t>", table(["<h>"], [["<c>"]]), spans("<s>", [span()], unit="%"))
    assert "<t>" not in text
    assert "<h>" not in text
    assert "<c>" not in text
    assert "<l>" not in text
    assert "&lt;l&gt;" in text


def test_an_interval_is_drawn_from_its_low_to_its_high_end() -> None:
    found = spans("s", [span(), span(value=0.0, low=0.0, high=100.0)], unit="%")
    lines = re.findall(r'class="ours" x1="([\d.]+)" x2="([\d.]+)"', found)
    first, second = [[float(end) for end in line] for line in lines]
    assert second[1] - second[0] == pytest.approx(10 * (first[1] - first[0]), abs=0.5)


def test_a_difference_of_either_sign_shows_where_nothing_changed() -> None:
    assert 'class="zero"' not in spans("s", [span()], unit="%")
    assert 'class="zero"' in spans("s", [span(value=-1.0, low=-5.0, high=3.0)], unit="points")


def test_the_scale_has_round_values() -> None:
    found = spans("s", [span(value=1.0, low=-4.0, high=39.6)], unit="points")
    assert re.findall(r'y="\d+">(-?\d+)</text>', found) == ["0", "20", "40"]


def test_a_figure_of_one_task_has_no_width() -> None:
    figure = Figure.of([0.25])
    assert (figure.low, figure.value, figure.high) == (25.0, 25.0, 25.0)


def span(*, value: float = 15.0, low: float = 10.0, high: float = 20.0) -> Span:
    return Span(label="<l>", value=value, low=low, high=high, published=50.0)
