from __future__ import annotations

from pathlib import Path

import pytest

from agent.rounds.trial.regression import humaneval_tasks
from lab.article.humaneval import (
    examples_of,
    explanation_prompt,
    mean_by_task,
    printing,
    rows_of,
    splits_of,
)
from lab.article.printing import calls_in, printing_program
from lab.article.settings import HumanEvalSettings
from lab.rows.rollouts import roll_out, rollout_file
from learning.evaluation.humaneval import Problem
from learning.records import Sampling
from sandbox.box.contract import Captured
from sandbox.box.status import Status
from sandbox.warm.judge import CheckTask
from sandbox.warm.values import Program, ProgramResult
from tests.fakes.generator import FakeGenerator
from tests.fakes.judge import FakeJudge

TEST = """
METADATA = {}

def check(candidate):
    assert candidate(1) == 12
    assert candidate(x=2) == 13, "no"
    assert candidate(1) == 12
    for n in range(3):
        assert candidate(n) == n + 11
"""
PROBLEM = Problem(
    task_id="T/0",
    prompt='def f(x):\n    """Return x plus 11."""\n',
    entry_point="f",
    canonical_solution="    return x + 11\n",
    test=TEST,
)
REPLY = "```python\ndef f(x):\n    return x + 7\n```"


class Printer:
    """Runs programs in this process: they are a few lines of ours."""

    async def run_program(self, program: Program) -> ProgramResult:
        lines: list[str] = []
        space = {"print": lambda *words: lines.append(" ".join(map(str, words)))}
        exec(program.source, space)  # noqa: S102 - see above
        text = "\n".join(lines).encode()
        return ProgramResult(status=Status.PASS, stdout=Captured(head=text), duration_s=0.1)


def verdict(task: CheckTask) -> Status:
    return Status.PASS if "x + 11" in task.source else Status.FAIL


async def lessons(folder: Path, arm: str, explanations: dict[str, str] | None = None) -> list[str]:
    judge = FakeJudge(verdict=verdict, note="AssertionError: candidate(1) == 12")
    rollouts = await roll_out(
        humaneval_tasks([PROBLEM], judge, "chat", judge_raw=False),
        FakeGenerator(answer=lambda _: REPLY),
        rollout_file(folder / "attempts.jsonl"),
        Sampling(),
        observe=printing(Printer(), {"T/0": PROBLEM}),
    )
    made = examples_of({"T/0": PROBLEM}, rollouts, arm, explanations or {})
    return [x.feedback[0].content.removeprefix(x.messages[0].content) for x in made]


async def test_printed_pairs_hold_neither_an_expected_value_nor_a_verdict(tmp_path: Path) -> None:
    (note,) = await lessons(tmp_path, "printed")
    assert "f(1) -> 8\nf(x=2) -> 9" in note
    assert not any(word in note for word in ("12", "13", "assert", "fail", "wrong"))


async def test_the_arm_tests_tells_the_tests_and_what_they_said(tmp_path: Path) -> None:
    (note,) = await lessons(tmp_path, "tests")
    assert "assert candidate(x=2) == 13" in note
    assert "failed: AssertionError: candidate(1) == 12" in note
    assert "x + 7" not in note


async def test_only_explained_attempts_are_learned_from_explanations(tmp_path: Path) -> None:
    assert await lessons(tmp_path, "explained") == []
    (note,) = await lessons(tmp_path, "explained", {"T/0#0": "It adds too little."})
    assert "It adds too little." in note


async def test_who_explains_sees_attempt_and_result(tmp_path: Path) -> None:
    await lessons(tmp_path, "neutral")
    (attempt,) = rollout_file(tmp_path / "attempts.jsonl").read().values()
    asked = explanation_prompt(PROBLEM, attempt)
    assert "x + 7" in asked
    assert "The tests failed: AssertionError" in asked


def test_splits_are_halves_and_the_same_for_the_same_seed() -> None:
    ids = [f"T/{n}" for n in range(9)]
    splits = splits_of(ids, count=5, seed=3)
    assert splits == splits_of(ids, count=5, seed=3)
    assert splits != splits_of(ids, count=5, seed=4)
    assert len({halves.learn for halves in splits}) == 5
    for halves in splits:
        assert sorted((*halves.learn, *halves.measure)) == ids
        assert (len(halves.learn), len(halves.measure)) == (4, 5)


def test_a_task_counts_once_however_many_splits_measure_it() -> None:
    splits = splits_of(["a", "b"], count=4, seed=0)
    scores = {(h.number, task): float(h.number % 2) for h in splits for task in h.measure}
    means = mean_by_task(splits, scores)
    assert means.keys() <= {"a", "b"}
    (row,) = rows_of(
        HumanEvalSettings(arms=("tests",)), splits, {"a": 0.0, "b": 0.0}, {"tests": scores}, {}
    )
    assert row.tasks == len(means)
    assert row.note == "4 of 4 splits"


def test_calls_are_taken_without_what_they_expect() -> None:
    assert calls_in(TEST) == ("1", "x=2")
    assert calls_in("def check(") == ()


def test_a_call_that_raises_is_observed_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    source = "def f(x):\n    return 1 / x\n"
    exec(printing_program(source, "f", ["0", "'a'", "4"]), {})  # noqa: S102 - our own lines
    said = capsys.readouterr().out
    assert "f(0) raised ZeroDivisionError: division by zero" in said
    assert "f('a') raised TypeError" in said
    assert "f(4) -> 0.25" in said
