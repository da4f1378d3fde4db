from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.article.feedback import FeedbackExample, example_with_note, prepared
from lab.article.rounds import learn
from lab.article.settings import LearningSettings
from learning.evaluation.local import LocalModel
from learning.evaluation.prompting import Prompt
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.records import Message
from learning.training.job import TrainingError
from tests.fakes.tiny_llama import build_tiny_model

SETTINGS = LearningSettings(steps=24, batch=1, learning_rate=2e-2, rank=4, max_tokens=96)
ASKED = (Message(role="user", content="Is it A or B?"),)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> InstalledModel:
    return build_tiny_model(tmp_path_factory.mktemp("article-model"))


@pytest.fixture(scope="module")
def lesson(model: InstalledModel) -> FeedbackExample:
    assert model.hf
    chat = ChatFormat.load(model.hf)
    return example_with_note("one", ASKED, tuple(chat.encode_text("A")), "\nIt is B.")


def distance(
    model: InstalledModel, lesson: FeedbackExample, adapter: tuple[str, Path] | None
) -> float:
    """How far the answer without the note is from the bare model's answer with it, in nats."""
    letters = [chr(number) for number in range(ord("A"), ord("Z"))]
    with LocalModel(model, engine="torch") as bare:
        wanted = bare.score(Prompt(messages=lesson.feedback), letters)
    with LocalModel(model, engine="torch", adapter=adapter) as local:
        found = local.score(Prompt(messages=lesson.messages), letters)
    return sum(abs(a - b) for a, b in zip(wanted, found, strict=True))


def test_a_round_moves_the_model_to_what_it_says_when_told(
    model: InstalledModel, lesson: FeedbackExample, tmp_path: Path
) -> None:
    made = learn(model, [lesson], SETTINGS, tmp_path, arm="answer", seed=0)
    assert (made.steps, made.lessons) == (24, 1)
    before = distance(model, lesson, None)
    after = distance(model, lesson, (made.name, made.folder))
    assert after < before / 4


def test_the_same_lessons_are_learned_once(
    model: InstalledModel, lesson: FeedbackExample, tmp_path: Path
) -> None:
    short = replace(SETTINGS, steps=1)
    steps: list[int] = []
    first = learn(
        *(model, [lesson], short, tmp_path),
        arm="a",
        seed=0,
        on_step=lambda step, _steps, _loss: steps.append(step),
    )
    again = learn(model, [lesson], short, tmp_path, arm="a", seed=0, on_step=_never)
    assert again == first
    assert steps == [1]
    other = learn(model, [lesson], short, tmp_path, arm="a", seed=1)
    assert other.folder != first.folder


def test_a_lesson_without_room_for_an_action_is_left_out(
    model: InstalledModel, lesson: FeedbackExample, tmp_path: Path
) -> None:
    assert model.hf
    assert prepared([lesson], ChatFormat.load(model.hf), max_tokens=10) == []
    with pytest.raises(TrainingError, match="no lesson of a fits into 10 tokens"):
        learn(model, [lesson], replace(SETTINGS, max_tokens=10), tmp_path, arm="a", seed=0)


def _never(_step: int, _steps: int, _loss: float) -> None:
    raise AssertionError("learned again")
