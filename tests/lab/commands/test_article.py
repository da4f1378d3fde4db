from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click import BadParameter
from click.testing import CliRunner, Result

from lab.article.budget import save_states
from lab.article.results import (
    ArmRow,
    Curve,
    CurvePoint,
    ExperimentResult,
    Figure,
    paired_row,
    save_experiment,
)
from lab.commands.article.all import Duration
from tui.cli import cli
from tui.show.page import Line, Span, lines, page, spans, table


def outcome(folder: Path) -> Path:
    folder.mkdir(parents=True)
    before = {f"q/{n}": 0.1 for n in range(10)}
    after = {f"q/{n}": 0.3 + n / 100 for n in range(10)}
    neutral = dict.fromkeys(before, 0.2)
    points = tuple(
        CurvePoint(step=step, figure=Figure(value=10.0 + step, low=8.0, high=30.0))
        for step in (0, 5)
    )
    found = ExperimentResult(
        experiment="mmlu",
        model="tiny <model>",
        settings={"learn": 20, "seed": 7},
        rows=(
            *(
                paired_row(
                    *("answer", measure, before, after),
                    of_tasks=20,
                    control=neutral,
                    teacher=after,
                )
                for measure in ("p(correct)", "share(correct)")
            ),
            paired_row("answer", "rank(correct)", before, after, of_tasks=20),
            paired_row("answer", "p(correct), others", before, before, of_tasks=20),
            ArmRow(arm="unlettered", measure="p(correct)", of_tasks=20, note="not run yet"),
        ),
        cost={"tokens made": 1234.0},
        curves=(
            Curve(arm="answer", measure="share(correct)", points=points, teacher=40.0),
            Curve(arm="answer", measure="share(correct), others", points=points),
        ),
        found={"learning rate": "0.0001"},
    )
    save_experiment(folder, found)
    return folder


def report(*arguments: object) -> Result:
    given = ["eval", "article", "report", *map(str, arguments)]
    return CliRunner().invoke(cli, given, catch_exceptions=False)


def test_our_figures_stand_beside_those_of_the_article(tmp_path: Path) -> None:
    run = report(outcome(tmp_path / "a"), "--json")
    record, claims = [json.loads(line) for line in run.stdout.splitlines()]
    told, _, rank, other, missing = record["rows"]
    assert told["before"].startswith("10.0 (")
    assert told["after"].startswith("34.5 (")
    assert told["gain"].startswith("+24.5 (")
    assert told["beyond neutral"].startswith("+14.5 (")
    assert told["teacher"] == told["after"]
    assert told["tasks"] == "10 of 20"
    assert told["the article"] == "10.8 -> 50.4"
    assert rank["after"].startswith("0.3 (")
    assert (other["the article"], rank["the article"]) == ("", "")
    assert (missing["after"], missing["the article"]) == ("", "10.8 -> 45.3")
    verdicts = {(c["experiment"], c["arm"]): c["verdict"] for c in claims["claims"]}
    assert verdicts["mmlu", "answer"] == "holds"
    assert verdicts["mmlu", "unlettered"] == "not run"
    assert verdicts["gsm8k", "grpo"] == "not run"
    assert not (tmp_path / "a" / "report.html").exists()


def test_the_table_of_verdicts_fits_into_80_columns_and_says_what_was_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = report(outcome(tmp_path / "a")).stdout.splitlines()
    assert max(map(len, shown)) <= 80
    assert not any("…" in line for line in shown)
    (told,) = [line for line in shown if line.startswith("mmlu answer ")]
    assert told.split() == [
        *("mmlu", "answer", "10.8->50.4", "10.0->34.5"),
        *("+24.5", "(+22.7..+26.3)", "10", "holds"),
    ]
    text = " ".join(shown)
    assert "The article's 9 figures: 1 holds, 0 not shown, 0 opposite, 8 not run." in text
    assert "gsm8k: not run: no result of this experiment" in text
    assert "grpo learns from rewards: its gain alone decides." in " ".join(text.split())
    assert "mmlu: tiny <model>, seed 7; the article's is Llama-3.2-1B" in text


def test_the_report_is_one_page_that_loads_nothing(tmp_path: Path) -> None:
    folder = outcome(tmp_path / "all" / "mmlu")
    run = report(folder.parent)
    assert run.exit_code == 0
    assert "tiny <model>" in run.output
    text = (tmp_path / "all" / "report.html").read_text()
    assert "tiny &lt;model&gt;" in text
    assert "What of the article holds" in text
    assert text.count("<svg") == 3
    assert not re.search(r"(?:src|href)=|https?://|@import|url\(|<script", text)


def test_the_report_says_how_experiments_that_ran_together_ended(tmp_path: Path) -> None:
    outcome(tmp_path / "mmlu")
    save_states(tmp_path, {"mmlu": "done", "gsm8k": "not run: no <file>"})
    assert "gsm8k: not run: no <file>" in report(tmp_path).output
    assert "not run: no &lt;file&gt;" in (tmp_path / "report.html").read_text()


def test_an_earlier_result_is_not_shown_where_the_experiment_was_not_run_this_time(
    tmp_path: Path,
) -> None:
    outcome(tmp_path / "all" / "mmlu")
    save_states(tmp_path / "all", {"mmlu": "not run: no file"})
    shown = report(tmp_path / "all").output
    assert "mmlu: not run: no file" in shown
    assert "10.0->34.5" not in shown
    outcome(tmp_path / "alone" / "mmlu")
    both = report(tmp_path / "all", tmp_path / "alone").output
    assert "10.0->34.5" in both
    assert "no file" not in both


def test_a_folder_without_an_outcome_is_named(tmp_path: Path) -> None:
    run = CliRunner().invoke(cli, ["eval", "article", "report", str(tmp_path)])
    assert run.exit_code != 0
    assert "holds no outcome" in str(run.exception)


def test_all_needs_no_file_to_say_what_cannot_be_run(tmp_path: Path) -> None:
    given = ["eval", "article", "all", "--budget", "1s", "--out", str(tmp_path), "--json"]
    config = ["--humaneval", str(lines_file(tmp_path))]
    run = CliRunner().invoke(cli, [*given, *config], standalone_mode=False)
    assert "MMLU does not come with elagent" in run.stderr
    assert "GSM8K does not come with elagent" in run.stderr
    assert run.return_value == 1
    assert "humaneval: ended with an error: " in run.stderr
    assert "MMLU does not come" in (tmp_path / "report.html").read_text()


def lines_file(folder: Path) -> Path:
    path = folder / "none.jsonl"
    path.write_text("no problem\n")
    return path


@pytest.mark.parametrize(
    ("text", "seconds"), [("8h", 28800), ("1h30m", 5400), ("45min", 2700), ("90s", 90)]
)
def test_a_budget_is_written_as_people_do(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "8", "h", "-1h", "0h", "later"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="no time such as 8h"):
        Duration().convert(text, None, None)


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


def test_a_line_rises_with_its_values_and_shows_the_level_to_reach() -> None:
    drawn = lines(
        "<t>",
        [Line(label="<l>", points=[(0, 10, 5, 15), (4, 30, 20, 40)])],
        unit="%",
        across="step",
        level=50.0,
    )
    (points,) = re.findall(r'class="line" points="([^"]+)"', drawn)
    (first, second) = [tuple(map(float, point.split(","))) for point in points.split()]
    assert first[0] < second[0]
    assert first[1] > second[1]
    assert 'class="level"' in drawn
    assert "<l>" not in drawn
    assert lines("t", [], unit="%", across="step") == ""


def span(*, value: float = 15.0, low: float = 10.0, high: float = 20.0) -> Span:
    return Span(label="<l>", value=value, low=low, high=high, published=50.0)
