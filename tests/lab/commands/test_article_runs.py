"""The experiments as commands, whole, with a model of random weights: what runs, resumes and is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.fakes.tiny_llama import build_tiny_model
from tui.cli import cli

_LEARNING = "[learning]\nsteps = 1\nbatch = 2\nrank = 2\nmax_tokens = 900\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random")
    build_tiny_model(folder)
    return folder


def settings(folder: Path, *lines: str) -> Path:
    path = folder / "settings.toml"
    path.write_text("\n".join(lines) + f"\n{_LEARNING}")
    return path


def lines_of(path: Path, *records: Mapping[str, object]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def run(name: str, out: Path, *arguments: object) -> tuple[Result, dict[str, dict[str, str]]]:
    given = ["eval", "article", name, "--out", str(out), "--json", *map(str, arguments)]
    found = CliRunner().invoke(cli, given, catch_exceptions=False)
    record = json.loads(found.stdout)
    return found, {f"{row['arm']} {row['measured']}": row for row in record["rows"]}


def questions(folder: Path, count: int) -> Path:
    return lines_of(
        folder / "mmlu.jsonl",
        *(
            {"subject": "s", "question": f"{n}?", "choices": ["a", "b", "c", "d"], "answer": n % 4}
            for n in range(count)
        ),
    )


def mmlu_settings(folder: Path, model: Path) -> Path:
    path = folder / "settings.toml"
    path.write_text(
        f"""
model = '{model}'
questions = 16
sweep = 1
learn = 2
others = 2
epochs = 2
most_epochs = 3
near = 0.0
arms = ['neutral', 'answer', 'wrong']
one_at_a_time = 1
one_arms = ['answer']
[format]
questions = 2
epochs = 1
[learning]
batch = 2
rank = 2
max_tokens = 900
learning_rates = [1e-3, 1e-2]
"""
    )
    return path


@pytest.mark.slow
def test_the_first_experiment_runs_and_goes_on_where_it_stopped(
    model: Path, tmp_path: Path
) -> None:
    data, config = questions(tmp_path, 16), mmlu_settings(tmp_path, model)
    given = ("--data", data, "--config", config)
    first, rows = run("mmlu", tmp_path / "out", *given)
    assert rows["answer p(correct)"]["tasks"] == "2 of 2"
    assert rows["answer p(correct)"]["note"] == "after 3 epochs"
    assert rows["answer p(correct)"]["teacher"]
    assert rows["answer share(correct), others"]["tasks"] == "2 of 2"
    assert rows["answer, alone rank(correct)"]["tasks"] == "1 of 1"
    assert rows["format letters A to D"]["tasks"] == "4 of 4"
    assert rows["wrong p(claimed)"]["the article"] == "33.2 -> 73.4"
    found = json.loads(first.stdout)["found"]
    assert found["learning rate"] in {"0.001", "0.01"}
    assert found["distance to the teacher, answer"].endswith("in 3 epochs: not there")
    assert "loading" in first.stderr
    again, same = run("mmlu", tmp_path / "out", *given)
    assert same == rows
    assert "loading" not in again.stderr
    assert "learning" not in again.stderr
    more, longer = run("mmlu", tmp_path / "out", *given, "--epochs", 5, "--one-at-a-time", 0)
    assert longer["answer p(correct)"]["note"] == "after 5 epochs"
    assert "answer, alone p(correct)" not in longer
    assert more.stderr.count("loading the model") == 4  # for the rates, and for each arm


@pytest.mark.slow
def test_the_fourth_experiment_runs_and_goes_on_where_it_stopped(
    model: Path, tmp_path: Path
) -> None:
    problems = [{"question": f"{n} and 1?", "answer": f"#### {n + 1}"} for n in range(4)]
    data = lines_of(tmp_path / "gsm8k.jsonl", *problems)
    config = tmp_path / "noise.toml"
    config.write_text(
        f"model = '{model}'\nengine = 'torch'\ntrain = 4\ntest = 3\nmax_tokens = 4\nepochs = 1\n"
        f"batches = [2, 4]\nrank = 2\nmax_example_tokens = 900\n"
        f"[explainer]\nmodel = '{model}'\nengine = 'torch'\nmax_tokens = 4\n"
    )
    given = ("--train", data, "--test", data, "--config", config)
    _, rows = run("noise", tmp_path / "out", *given)
    for batch in (2, 4):
        assert rows[f"neutral-{batch} accuracy"]["tasks"] == "3 of 3"
        assert rows[f"plain-{batch} accuracy"]["beyond neutral"]
        ours = rows[f"ours-{batch} accuracy"]
        assert ours["tasks"] == "3 of 3" or "learned nothing" in ours["note"]
    again, same = run("noise", tmp_path / "out", *given)
    assert same == rows
    assert "loading" not in again.stderr
    page = tmp_path / "page.html"
    CliRunner().invoke(
        cli,
        ["eval", "article", "report", str(tmp_path / "out"), "--html", str(page)],
        catch_exceptions=False,
    )
    assert "Accuracy against the effective batch" in page.read_text()


@pytest.mark.slow
def test_all_experiments_share_a_budget_and_end_with_the_page(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = mmlu_settings(tmp_path, model)
    monkeypatch.setattr("lab.commands.article.all._config", lambda _name, _size: config)
    broken = lines_of(tmp_path / "humaneval.jsonl", {"no": "problem"})
    given = ["eval", "article", "all", "--out", str(tmp_path / "out"), "--mmlu"]
    given += [str(questions(tmp_path, 16)), "--humaneval", str(broken), "--budget"]
    cut = CliRunner().invoke(cli, [*given, "1s"], catch_exceptions=False)
    assert "mmlu: stopped after its" in cut.stderr
    whole = CliRunner().invoke(cli, [*given, "1h"], standalone_mode=False)
    assert "mmlu: done" in whole.stderr
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count('class="level"') >= 3
    assert "GSM8K does not come with elagent" in page
    assert whole.return_value == 1  # the file of experiment 2 holds no problems


def test_the_third_experiment_says_what_was_not_run(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.article.gsm8k.find_spec", lambda _name: None)
    problems = [{"question": f"{n} and 1?", "answer": f"#### {n + 1}"} for n in range(3)]
    data = lines_of(tmp_path / "gsm8k.jsonl", *problems)
    config = settings(
        tmp_path,
        f"model = '{model}'",
        "engine = 'torch'",
        "train = 2",
        "test = 3",
        "max_tokens = 4",
        "arms = ['neutral', 'explained', 'grpo']",
    )
    given = ("--train", data, "--test", data, "--config", config)
    _, rows = run("gsm8k", tmp_path / "out", *given)
    assert rows["neutral accuracy"]["tasks"] == "3 of 3"
    assert "no model to explain" in rows["explained accuracy"]["note"]
    assert "TRL is not installed" in rows["grpo accuracy"]["note"]
    again, same = run("gsm8k", tmp_path / "out", *given)
    assert same == rows
    assert "loading" not in again.stderr
    others = lines_of(
        tmp_path / "others.jsonl", *({**each, "answer": "#### 7"} for each in problems)
    )
    run("gsm8k", tmp_path / "out", "--train", others, "--test", data, "--config", config)
    kept = [path.read_text() for path in (tmp_path / "out").glob("attempts-*.jsonl")]
    assert sum("is not 7" in text for text in kept) == 1
    assert len(kept) == 2


@pytest.mark.slow
@pytest.mark.docker
def test_the_second_experiment_measures_what_was_not_learned_from(
    model: Path, tmp_path: Path
) -> None:
    problems = [
        {
            "task_id": f"T/{n}",
            "prompt": f'def f{n}(x):\n    """Return x plus {n}."""\n',
            "entry_point": f"f{n}",
            "canonical_solution": f"    return x + {n}\n",
            "test": f"def check(candidate):\n    assert candidate(1) == {n + 1}\n",
        }
        for n in range(4)
    ]
    data = lines_of(tmp_path / "humaneval.jsonl", *problems)
    config = settings(
        tmp_path,
        f"model = '{model}'",
        "engine = 'torch'",
        "tasks = 4",
        "splits = 2",
        "max_tokens = 8",
        "arms = ['neutral', 'tests', 'explained']",
    )
    given = ("--data", data, "--config", config)
    _, rows = run("humaneval", tmp_path / "out", *given)
    assert rows["tests pass@1"]["note"] == "2 of 2 splits"
    assert rows["tests pass@1"]["the article"].startswith("+15.37")
    assert "no model to explain" in rows["explained pass@1"]["note"]
    for split in ("tests-0", "tests-1"):
        (folder,) = (tmp_path / "out").glob(f"{split}-*")
        assert len((folder / "samples.jsonl").read_text().splitlines()) == 2
    again, same = run("humaneval", tmp_path / "out", *given)
    assert same == rows
    assert "loading" not in again.stderr
