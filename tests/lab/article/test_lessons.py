"""Lessons with a model of random weights: what is learned, put back, and taken up again after a kill."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lab.article.lesson_worker import run as give_lessons
from lab.article.lessons import (
    START,
    Lesson,
    Probe,
    ReadingKey,
    Readings,
    readings_file,
    step_keys,
    teach,
    write_lessons,
)
from lab.article.letters import distance
from lab.article.settings import LessonSettings
from lab.training.feedback import FeedbackExample, example_with_note
from lab.training.train import arm_job
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.records import Message
from learning.training.job import TrainingError, TrainingJob
from tests.fakes.tiny_llama import build_tiny_model

NAMES = ("one", "two", "three")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> InstalledModel:
    return build_tiny_model(tmp_path_factory.mktemp("lesson-model"))


def job_of(model: InstalledModel) -> TrainingJob:
    learning = LessonSettings(rank=4, max_tokens=96)
    return arm_job(
        *("lessons", model, learning.limits(batch=1, learning_rate=0.0)),
        prefix="a",
        seed=0,
        rule=learning.training_rule(),
    )


def asked(name: str) -> tuple[Message, ...]:
    return (Message(role="user", content=f"Is {name} A or B?"),)


def example(model: InstalledModel, name: str) -> FeedbackExample:
    assert model.hf
    action = tuple(ChatFormat.load(model.hf).encode_text("A"))
    return example_with_note(name, asked(name), action, "\nIt is B.")


def lesson(model: InstalledModel, name: str, *, steps: int = 12, kept: bool = False) -> Lesson:
    return Lesson(
        name=name,
        examples=(example(model, name),),
        steps=steps,
        batch=1,
        learning_rate=2e-2,
        measured=(4, steps),
        asked=NAMES,
        kept=kept,
    )


def probes() -> list[Probe]:
    return [Probe(id=name, messages=asked(name)) for name in NAMES]


def given(folder: Path, model: InstalledModel, *lessons: Lesson) -> tuple[Path, Readings]:
    place = write_lessons(folder, job_of(model), lessons, probes())
    give_lessons(place)
    return place, readings_file(place).read()


def steps_made(place: Path) -> list[int]:
    lines = map(json.loads, (place / "progress.jsonl").read_text().splitlines())
    return [line["step"] for line in lines if line["loss"] is not None]


def test_a_lesson_brings_the_student_to_its_teacher_and_the_next_starts_anew(
    model: InstalledModel, tmp_path: Path
) -> None:
    first, second = lesson(model, "one"), lesson(model, "two")
    place, together = given(tmp_path / "together", model, first, second)
    taught = ReadingKey(lesson=first.id, step=0, question="one", told=True)
    start = ReadingKey(lesson=START, step=0, question="one")
    (last, *_) = step_keys(first, 12)
    wanted = together[taught]
    assert distance(wanted, together[last]) < 0.5 * distance(wanted, together[start])
    _, alone = given(tmp_path / "alone", model, second)
    for key in step_keys(second, 12):
        assert together[key] == alone[key]
    assert not list(place.glob("*/checkpoint.pt"))


def test_more_steps_go_on_where_the_lesson_was(model: InstalledModel, tmp_path: Path) -> None:
    given(tmp_path / "twice", model, lesson(model, "one", steps=8, kept=True))
    longer = lesson(model, "one", steps=12, kept=True)
    place, found = given(tmp_path / "twice", model, longer)
    assert steps_made(place) == [*range(1, 13)]
    _, at_once = given(tmp_path / "at once", model, longer)
    for key in step_keys(longer, 12):
        assert found[key] == at_once[key]


@pytest.mark.parametrize("at", [0, 4, 12])
def test_a_lesson_that_was_killed_before_its_answers_ends_with_the_same(
    model: InstalledModel, tmp_path: Path, at: int
) -> None:
    whole = lesson(model, "one", kept=True)
    place, wanted = given(tmp_path, model, whole)
    file = readings_file(place)
    left = {key: found for key, found in file.read().items() if key.step < at}
    file.path.unlink()
    file.append(left)
    if at < 12:  # the state of that step is gone, too, as if it had not been written
        shutil.rmtree(place / whole.id)
    with file.path.open("a") as torn:
        torn.write('{"lesson": "one')
    give_lessons(place)
    assert readings_file(place).read() == wanted


def test_a_question_that_does_not_fit_is_named(model: InstalledModel, tmp_path: Path) -> None:
    words = (Message(role="user", content="long " * 40),)
    long = replace(lesson(model, "one"), examples=(replace(example(model, "one"), messages=words),))
    with pytest.raises(TrainingError, match="one of one does not fit into 96 tokens"):
        given(tmp_path, model, long)


def test_no_process_is_started_for_what_is_there(model: InstalledModel, tmp_path: Path) -> None:
    kept = lesson(model, "one", kept=True)
    place, before = given(tmp_path, model, kept)
    assert taught(tmp_path, model, kept) == before
    assert not (place / "worker.log").exists()


@pytest.mark.slow
def test_lessons_in_a_process_of_their_own_give_the_same(
    model: InstalledModel, tmp_path: Path
) -> None:
    one = lesson(model, "one")
    _, here = given(tmp_path / "here", model, one)
    assert taught(tmp_path / "there", model, one) == here


def taught(folder: Path, model: InstalledModel, *lessons: Lesson) -> Readings:
    return asyncio.run(
        teach(
            *(folder, job_of(model), lessons, probes()),
            on_line=lambda _done, _steps, _what: None,
            say=lambda _text: None,
        )
    )
