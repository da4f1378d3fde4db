from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lab.article.lessons import (
    START,
    Lesson,
    Probe,
    ReadingKey,
    Readings,
    Teach,
    start_keys,
    step_keys,
    teacher_keys,
)
from lab.article.letters import Chances
from lab.article.mmlu import Subject, curve_epochs, run_mmlu, tells_a_letter
from lab.article.mmlu_rows import MmluFindings, curves_of, rows_of, words_of
from lab.article.results import ArmRow
from lab.article.settings import FormatSettings, LessonSettings, MmluSettings
from lab.benchmarks.mmlu import ChoiceQuestion
from lab.training.feedback import FeedbackExample
from lab.training.train import ArmAdapter
from learning.records import Message
from learning.training.job import TrainingError

QUESTIONS = [
    ChoiceQuestion(
        id=f"q/{number}",
        subject="s",
        text=f"Which number follows {number}?",
        choices=("none", "any", f"{number + 1}", "all"),
        answer=2,
    )
    for number in range(12)
]
PREFERS_B = (0.1, 0.7, 0.1, 0.1)
ADAPTER = ArmAdapter(name="el-format-v0001-aaaaaaaa", folder=Path(), examples=2, steps=1, seconds=0)
SETTINGS = MmluSettings(
    sweep=2,
    learn=3,
    others=2,
    epochs=4,
    most_epochs=8,
    arms=("neutral", "answer", "unlettered", "wrong"),
    one_at_a_time=2,
    one_arms=("neutral", "answer"),
    format=FormatSettings(questions=2),
    learning=LessonSettings(batch=2, learning_rates=(1e-3, 1e-2)),
)


class Letters:
    """Spells a letter as its own number."""

    def encode(self, messages: Sequence[Message]) -> list[int]:
        return [ord(letter) for message in messages for letter in message.content]

    def encode_text(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


def told_letter(example: FeedbackExample) -> str:
    """The letter at the end of an example's note; B, which it prefers, if the note names none."""
    note = example.feedback[0].content.removeprefix(example.messages[0].content).rstrip(".\n")
    return note[-1] if note[-1] in "ABCD" else "B"


def sure_of(letter: str) -> Chances:
    return tuple(0.7 if each == letter else 0.1 for each in "ABCD")


@dataclass
class Pupil:
    """Prefers B; learns what a note names a tenth of the way at each step, or all at once."""

    at_once: bool = True
    says_letters: float = 1.0
    """Share of its probability on letters before it learned the format."""
    lessons: list[Lesson] = field(default_factory=list)
    format: list[FeedbackExample] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def ask(
        self,
        questions: Sequence[ChoiceQuestion],
        adapter: ArmAdapter | None,
        enough: Callable[[Mapping[str, Chances]], bool] = lambda _found: False,
    ) -> Mapping[str, Chances]:
        found: dict[str, Chances] = {}
        scale = 1.0 if adapter else self.says_letters
        for question in questions:
            found[question.id] = tuple(scale * each for each in PREFERS_B)
            self.asked.append(question.id)
            if enough(found):
                break
        return found

    async def learn_format(self, examples: Sequence[FeedbackExample]) -> ArmAdapter:
        self.format = list(examples)
        return ADAPTER

    def teacher(self, _adapter: ArmAdapter | None) -> Teach:
        kept: dict[ReadingKey, Chances] = {}

        async def teach(lessons: Sequence[Lesson], probes: Sequence[Probe]) -> Readings:
            known = {probe.id for probe in probes}
            for lesson in lessons:
                self.lessons.append(lesson)
                assert known.issuperset(lesson.asked)
                kept.update(dict.fromkeys(start_keys(lesson), PREFERS_B))
                told = {example.id: sure_of(told_letter(example)) for example in lesson.examples}
                kept.update({key: told[key.question] for key in teacher_keys(lesson)})
                for step in lesson.measured:
                    for key in step_keys(lesson, step):
                        kept[key] = self._after(told.get(key.question, PREFERS_B), lesson, step)
            return dict(kept)

        return teach

    def _after(self, wanted: Chances, lesson: Lesson, step: int) -> Chances:
        part = 1.0 if self.at_once else min(1.0, step * lesson.learning_rate * 5)
        return tuple(
            (1 - part) * was + part * shall for was, shall in zip(PREFERS_B, wanted, strict=True)
        )


def found_by(pupil: Pupil, settings: MmluSettings = SETTINGS) -> MmluFindings:
    subject = Subject(
        ask=pupil.ask, learn_format=pupil.learn_format, teacher=pupil.teacher, chat=Letters()
    )
    return asyncio.run(run_mmlu(settings, QUESTIONS, subject))


def rows(found: MmluFindings) -> dict[tuple[str, str], ArmRow]:
    return {(row.arm, row.measure): row for row in rows_of(found)}


def test_what_was_learned_is_measured_on_its_questions_and_on_others() -> None:
    found = rows(found_by(Pupil()))
    told = found["answer", "p(correct)"]
    assert told.before is not None
    assert told.after is not None
    assert told.teacher is not None
    assert told.before.value == pytest.approx(10)
    assert told.after.value == pytest.approx(70)
    assert told.teacher.value == pytest.approx(70)
    assert (told.tasks, told.of_tasks) == (3, 3)
    other = found["answer", "p(correct), others"]
    assert other.gain is not None
    assert other.tasks == 2
    assert other.gain.value == pytest.approx(0)
    rank = found["answer", "rank(correct)"]
    assert rank.before is not None
    assert rank.after is not None
    assert rank.before.value == pytest.approx(3)
    assert rank.after.value == pytest.approx(1)


def test_a_gain_is_compared_with_that_of_a_note_without_content() -> None:
    found = rows(found_by(Pupil()))
    told, neutral = found["answer", "share(correct)"], found["neutral", "share(correct)"]
    assert told.beyond is not None
    assert told.beyond.value == pytest.approx(60)
    assert neutral.beyond is None
    assert found["answer, alone", "share(correct)"].beyond == told.beyond


def test_the_wrong_letter_is_measured_where_it_was_claimed() -> None:
    row = rows(found_by(Pupil()))["wrong", "p(claimed)"]
    assert row.after is not None
    assert row.after.value == pytest.approx(70)


def test_no_question_has_two_roles() -> None:
    pupil = Pupil()
    roles = found_by(pupil).roles
    format_ = {example.id.split(",")[0] for example in pupil.format}
    groups = [
        format_,
        *({q.id for q in each} for each in (roles.swept, roles.learned, roles.others)),
    ]
    assert [len(group) for group in groups] == [2, 2, 3, 2]
    assert len(set().union(*groups)) == 9


def test_asking_ends_with_enough_wrong_answers() -> None:
    pupil = Pupil()
    found = found_by(pupil)
    assert found.roles.asked == 7
    assert "q/11" not in pupil.asked


def test_the_round_before_all_arms_tells_no_answer() -> None:
    pupil = Pupil(says_letters=0.2)
    found = rows(found_by(pupil))
    for example in pupil.format:
        assert example.begun == "The letter of the right choice:\n"
        assert not any(word in example.feedback[0].content for word in ("wrong", "is C"))
    letters = found["format", "letters A to D"]
    share = found["format", "share(correct)"]
    assert letters.before is not None
    assert letters.after is not None
    assert share.gain is not None
    assert letters.before.value == pytest.approx(20)
    assert letters.after.value == pytest.approx(100)
    assert share.gain.value == pytest.approx(0)


def test_without_that_round_arms_start_from_the_bare_model() -> None:
    pupil = Pupil()
    found = found_by(pupil, replace(SETTINGS, format=FormatSettings(questions=0)))
    assert pupil.format == []
    assert not any(arm == "format" for arm, _ in rows(found))


def test_only_the_unlettered_arm_hides_the_letter() -> None:
    pupil = Pupil()
    found_by(pupil)
    for arm, shown in (("answer", True), ("unlettered", False)):
        (lesson,) = {each.id: each for each in pupil.lessons if each.name == arm}.values()
        for example in lesson.examples:
            feedback = example.feedback[0].content.removeprefix(example.messages[0].content)
            assert ("answer is C" in feedback) is shown
            assert example.action_ids == (ord("B"),)


def test_the_learning_rate_that_comes_nearest_to_the_teacher_is_used() -> None:
    pupil = Pupil(at_once=False)
    found = found_by(pupil)
    assert found.rate == 1e-2
    assert {each.learning_rate for each in pupil.lessons if each.name == "answer"} == {1e-2}
    assert found.tried[1e-2] < found.tried[1e-3]
    assert "nats from the teacher on 2" in words_of(found)["learning rate 0.01"]


def test_all_arms_go_on_until_each_is_where_its_teacher_is() -> None:
    quick, slow = Pupil(), Pupil(at_once=False)
    assert found_by(quick).lessons["answer"].steps == 8
    found = found_by(slow)
    assert {lesson.steps for lesson in found.lessons.values()} == {16}
    assert words_of(found)["distance to the teacher, answer"].endswith("in 8 epochs: not there")
    first, again = (lesson.id for lesson in slow.lessons if lesson.name == "answer")
    assert first == again


def test_the_curve_has_a_point_for_each_measured_step_and_the_teachers_height() -> None:
    curves = {(each.arm, each.measure): each for each in curves_of(found_by(Pupil(at_once=False)))}
    learned, others = (curves["answer", f"share(correct){group}"] for group in ("", ", others"))
    assert [point.step for point in learned.points] == [0, 2, 4, 6, 10, 14, 16]
    values = [point.figure.value for point in learned.points]
    assert values == sorted(values)
    assert learned.teacher == pytest.approx(70)
    assert others.teacher is None


def test_one_at_a_time_counts_each_lesson_once() -> None:
    found = found_by(Pupil())
    row = rows(found)["answer, alone", "p(correct), others"]
    assert (row.tasks, row.of_tasks) == (2, 2)
    assert all(len(lesson.examples) == 1 for lesson in found.alone["answer"])
    assert {lesson.asked[0] for lesson in found.alone["answer"]} == {"q/4", "q/5"}


def test_a_run_that_is_stopped_leaves_the_figures_of_the_arms_it_ended() -> None:
    pupil = Pupil()
    seen: list[MmluFindings] = []
    subject = Subject(
        ask=pupil.ask, learn_format=pupil.learn_format, teacher=pupil.teacher, chat=Letters()
    )
    asyncio.run(run_mmlu(SETTINGS, QUESTIONS, subject, on_found=seen.append))
    first = rows(seen[0])
    assert first["neutral", "p(correct)"].after is not None
    assert first["answer", "p(correct)"].note == "not run yet"
    assert first["answer, alone", "p(correct)"].note == "not run yet"


def test_a_model_that_answers_everything_rightly_has_nothing_to_learn() -> None:
    right = [replace(question, answer=1) for question in QUESTIONS]
    pupil = Pupil()
    subject = Subject(
        ask=pupil.ask, learn_format=pupil.learn_format, teacher=pupil.teacher, chat=Letters()
    )
    with pytest.raises(TrainingError, match="10 questions gave no wrong answer"):
        asyncio.run(run_mmlu(SETTINGS, right, subject))


def test_a_question_that_is_too_long_is_not_asked() -> None:
    pupil = Pupil()
    settings = replace(SETTINGS, learning=replace(SETTINGS.learning, max_tokens=100))
    with pytest.raises(TrainingError):
        found_by(pupil, settings)
    assert pupil.asked == []


@pytest.mark.parametrize(
    ("epochs", "points"),
    [(1, (1,)), (4, (1, 2, 3, 4)), (10, (1, 2, 3, 5, 7, 10)), (12, (1, 2, 3, 5, 7, 10, 12))],
)
def test_the_curve_is_dense_where_most_is_learned(epochs: int, points: tuple[int, ...]) -> None:
    assert curve_epochs(epochs) == points


def test_the_start_is_shared_by_all_lessons() -> None:
    pupil = Pupil()
    found = found_by(pupil)
    starts = {key for key in found.readings if key.lesson == START}
    assert len(starts) == 7


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("The answer is C because it follows.", True),
        ("(B) is wrong.", True),
        ("A number follows the one before it.", False),
        ("Because 3 comes after 2.", False),
    ],
)
def test_an_explanation_that_names_a_letter_is_known(text: str, *, tells: bool) -> None:
    assert tells_a_letter(text) is tells
