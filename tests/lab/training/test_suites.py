"""Ways to learn are compared on library drift as on HumanEval: the suite says what is asked and judged."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lab.article.settings import SettingsError, read_settings
from lab.drift.tasks import drift_prompt
from lab.rows.rollouts import roll_out, rollout_file
from lab.training.arms import experience_of
from lab.training.suites import BaselineSettings, Suite, drift_suite
from learning.evaluation.run import answer_all
from learning.records import Sampling, Verdict
from sandbox.box.status import Status
from tests.fakes.generator import FakeGenerator
from tests.fakes.judge import FakeJudge
from tests.lab.drift.test_arms import ERROR, NEW, OLD, TASK, file_in, honest

_EXAMPLES = Path(__file__).resolve().parents[3] / "lab" / "data"
_TASKS = {
    name: dataclasses.replace(TASK, id=name, split="experience" if number < 3 else "held-out")
    for number, name in enumerate("abcdef")
}


def suite() -> Suite:
    return drift_suite(list(_TASKS.values()), {"d": ERROR}, image_id="i")


def test_what_is_held_out_by_the_tasks_is_never_learned_from() -> None:
    learn, held_out = suite().split(BaselineSettings(experience=70, held_out=71))
    assert (learn, held_out) == (list("abc"), list("def"))
    few, _ = suite().split(BaselineSettings(experience=2, held_out=1, seed=3))
    assert len(few) == 2
    assert set(few) < set(learn)


async def test_an_attempt_is_learned_from_with_what_the_library_said(tmp_path: Path) -> None:
    replies = iter([OLD, NEW])
    generator = FakeGenerator(answer=lambda _: f"```python\n{next(replies)}```")
    judge = FakeJudge(verdict=honest, note=ERROR)
    failed, passed = await roll_out(
        suite().tasks(["a"], judge),
        generator,
        rollout_file(tmp_path / "a.jsonl"),
        Sampling(seed=5, temperature=0.8),
        samples=2,
    )
    assert [sampling.seed for _, sampling in generator.asked] == [5, 6]
    assert all(prompt == drift_prompt(TASK) for prompt, _ in generator.asked)
    assert (failed.passed, passed.passed) == (False, True)
    step = experience_of(failed, drift_prompt(TASK).messages, model="m")
    assert step.verdict is Verdict.FAIL
    (fact,) = step.evidence
    assert fact.exception == "AttributeError"
    assert fact.message == "'DataFrame' object has no attribute 'groupby'"


async def test_code_without_the_library_is_no_pass(tmp_path: Path) -> None:
    generator = FakeGenerator(answer=lambda _: "```python\ndef f(a):\n    return 1\n```")
    judge = FakeJudge(verdict=lambda _task: Status.PASS)
    file = rollout_file(tmp_path / "a.jsonl")
    tasks = suite().tasks(["a"], judge)
    (made,) = await roll_out(tasks, generator, file, Sampling())
    assert not made.passed
    assert "does not use the library" in made.said


async def test_several_replies_to_a_held_out_task_are_drawn_and_kept_apart(tmp_path: Path) -> None:
    replies = iter([OLD, NEW])
    generator = FakeGenerator(answer=lambda _: f"```python\n{next(replies)}```")
    judge = FakeJudge(verdict=honest, note=ERROR)
    file = file_in(tmp_path)
    tasks = suite().tasks(["d"], judge)
    found = await answer_all(tasks, generator, file, samples=2)
    assert [(found["d", index].passed, found["d", index].stale) for index in (0, 1)] == [
        (False, True),
        (True, False),
    ]
    assert len({sampling.seed for _, sampling in generator.asked}) == 2
    assert file.read() == found
    await answer_all(tasks, generator, file, samples=2)
    assert len(generator.asked) == 2, "what is there is not made again"


async def test_the_time_limit_comes_from_the_reference() -> None:
    judge = FakeJudge(verdict=honest)
    (task,) = suite().tasks(["a"], judge)
    await task.check_reference()
    assert [check.source for check in judge.judged] == [NEW]


def test_the_file_that_comes_with_elagent_names_drift_and_an_unknown_suite_is_refused(
    tmp_path: Path,
) -> None:
    shipped = read_settings(_EXAMPLES / "baselines" / "drift.toml", BaselineSettings)
    assert (shipped.suite, shipped.experience, shipped.held_out) == ("drift", 70, 213)
    shipped.checked_arms()
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('suite = "mbpp"\n')
    with pytest.raises(SettingsError, match="suite is one of humaneval, drift"):
        read_settings(wrong, BaselineSettings)
