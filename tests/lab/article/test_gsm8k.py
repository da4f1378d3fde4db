from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from lab.article.gsm8k import (
    examples_of,
    explanation_prompt,
    rows_of,
)
from lab.article.settings import Gsm8kSettings
from lab.benchmarks.gsm8k import WordProblem, word_tasks
from lab.rows.rollouts import roll_out, rollout_file
from learning.records import Sampling
from tests.fakes.generator import FakeGenerator

PROBLEMS = [
    WordProblem(task_id=f"gsm8k/{n}", question=f"What is {n} and 1?", answer=Fraction(n + 1))
    for n in range(3)
]


async def test_right_and_wrong_attempts_are_kept_once(tmp_path: Path) -> None:
    file = rollout_file(tmp_path / "attempts.jsonl")
    generator = FakeGenerator(answer=lambda _: "It is #### 1")
    found = await roll_out(word_tasks(PROBLEMS), generator, file, Sampling())
    assert [attempt.passed for attempt in found] == [True, False, False]
    assert found[2].said == "1 is not 3"
    with (tmp_path / "attempts.jsonl").open("a") as torn:
        torn.write('{"task_id": "gsm')
    again = FakeGenerator(answer=lambda _: "never")
    assert await roll_out(word_tasks(PROBLEMS), again, file, Sampling()) == found
    assert again.asked == []


async def test_every_explained_attempt_is_a_lesson_and_none_shows_the_attempt(
    tmp_path: Path,
) -> None:
    file = rollout_file(tmp_path / "attempts.jsonl")
    generator = FakeGenerator(answer=lambda _: "MY STEPS #### 1")
    attempts = await roll_out(word_tasks(PROBLEMS), generator, file, Sampling())
    explained = {"gsm8k/0": "Right.", "gsm8k/2": "It forgot one."}
    lessons = examples_of(PROBLEMS, attempts, "explained", explained)
    assert [lesson.id for lesson in lessons] == ["gsm8k/0", "gsm8k/2"]
    assert "It forgot one." in lessons[1].feedback[0].content
    assert "MY STEPS" not in lessons[1].feedback[0].content
    assert "MY STEPS" in explanation_prompt(PROBLEMS[2], attempts[2])
    assert len(examples_of(PROBLEMS, attempts, "neutral", {})) == 3


def test_an_arm_that_was_not_run_says_why() -> None:
    settings = Gsm8kSettings(test=3, arms=("explained", "grpo"))
    before = {"a": 0.0, "b": 1.0, "c": 0.0}
    explained, grpo = rows_of(
        settings, before, {"explained": {"a": 1.0, "b": 1.0}}, {"grpo": "needs an extra"}
    )
    assert (explained.tasks, explained.of_tasks) == (2, 3)
    assert explained.gain is not None
    assert explained.gain.value == pytest.approx(50)
    assert explained.relative == pytest.approx(100)
    assert (grpo.after, grpo.note) == (None, "needs an extra")
