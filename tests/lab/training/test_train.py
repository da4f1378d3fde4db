from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.rounds.trial.program_judge import EvaluationError
from lab.article.settings import LearningSettings
from lab.training.feedback import FeedbackExample, example_with_note
from lab.training.train import ArmAdapter, NothingLearned, arm_job, train_on_feedback
from learning.evaluation.local import LocalModel
from learning.evaluation.prompting import Prompt
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.records import Message
from tests.fakes.tiny_llama import build_tiny_model

SETTINGS = LearningSettings(steps=24, batch=1, learning_rate=2e-2, rank=4, max_tokens=96)
ASKED = (Message(role="user", content="Is it A or B?"),)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> InstalledModel:
    return build_tiny_model(tmp_path_factory.mktemp("article-model"))


@pytest.fixture(scope="module")
def example(model: InstalledModel) -> FeedbackExample:
    assert model.hf
    chat = ChatFormat.load(model.hf)
    return example_with_note("one", ASKED, tuple(chat.encode_text("A")), "\nIt is B.")


def distance(
    model: InstalledModel, example: FeedbackExample, adapter: tuple[str, Path] | None
) -> float:
    """How far the answer without the note is from the bare model's answer with it, in nats."""
    letters = [chr(number) for number in range(ord("A"), ord("Z"))]
    with LocalModel(model, engine="torch") as bare:
        wanted = bare.score(Prompt(messages=example.feedback), letters)
    with LocalModel(model, engine="torch", adapter=adapter) as local:
        found = local.score(Prompt(messages=example.messages), letters)
    return sum(abs(a - b) for a, b in zip(wanted, found, strict=True))


def learn(
    model: InstalledModel,
    example: FeedbackExample,
    settings: LearningSettings,
    folder: Path,
    *,
    seed: int = 0,
    on_step: Callable[[int, int, float], None] = lambda _step, _steps, _loss: None,
) -> ArmAdapter | NothingLearned:
    job = arm_job(
        *("a", model, settings.limits), prefix="a", seed=seed, rule=settings.training_rule()
    )
    return asyncio.run(train_on_feedback(folder, job, [example], on_step=on_step))


def test_training_moves_the_model_to_its_answer_with_the_feedback(
    model: InstalledModel, example: FeedbackExample, tmp_path: Path
) -> None:
    made = learn(model, example, SETTINGS, tmp_path)
    assert isinstance(made, ArmAdapter)
    assert (made.steps, made.examples) == (24, 1)
    assert made.tokens > 0
    before = distance(model, example, None)
    after = distance(model, example, (made.name, made.folder))
    assert after < before / 4


def test_the_same_examples_are_learned_once(
    model: InstalledModel, example: FeedbackExample, tmp_path: Path
) -> None:
    short = replace(SETTINGS, steps=1)
    steps: list[int] = []
    first = learn(
        *(model, example, short, tmp_path), on_step=lambda step, _steps, _loss: steps.append(step)
    )
    again = learn(model, example, short, tmp_path, on_step=_never)
    assert again == first
    assert steps == [1]
    other = learn(model, example, short, tmp_path, seed=1)
    assert isinstance(first, ArmAdapter)
    assert isinstance(other, ArmAdapter)
    assert other.folder != first.folder


def test_a_job_that_was_cut_off_before_its_result_is_taken_up_again(
    model: InstalledModel, example: FeedbackExample, tmp_path: Path
) -> None:
    short = replace(SETTINGS, steps=2)
    first = learn(model, example, short, tmp_path)
    assert isinstance(first, ArmAdapter)
    job = first.folder.parent
    (job / "result.json").unlink()
    (job / "feedback.jsonl").unlink()
    shutil.rmtree(first.folder)
    again = learn(model, example, short, tmp_path)
    assert isinstance(again, ArmAdapter)
    assert (again.name, again.folder) == (first.name, first.folder)


def test_an_example_without_room_for_an_action_is_left_out_and_named(
    model: InstalledModel, example: FeedbackExample, tmp_path: Path
) -> None:
    made = learn(model, example, replace(SETTINGS, max_tokens=10), tmp_path)
    assert made == NothingLearned(reason="1 too long")


def test_a_model_without_weights_to_train_is_named(model: InstalledModel) -> None:
    with pytest.raises(EvaluationError, match="only its GGUF file is here"):
        arm_job("a", replace(model, hf=None), SETTINGS.limits, prefix="a", seed=0)


def _never(_step: int, _steps: int, _loss: float) -> None:
    raise AssertionError("learned again")
