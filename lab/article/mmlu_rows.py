"""Rows and curves of the first experiment, from what was answered before and after each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from lab.article.lessons import (
    START,
    Lesson,
    ReadingKey,
    Readings,
    step_keys,
    steps_for,
    teacher_keys,
)
from lab.article.letters import (
    LETTERS,
    Chances,
    any_letter,
    distance,
    probability,
    rank,
    share,
)
from lab.article.results import (
    CONTROL,
    LETTER,
    NOT_YET,
    OTHERS,
    RANK,
    SHARE,
    ArmRow,
    Curve,
    CurvePoint,
    Figure,
    paired_row,
)
from lab.article.settings import MmluArm, MmluSettings
from lab.benchmarks.mmlu import ChoiceQuestion

CORRECT, CLAIMED = "correct", "claimed"
_MEASURES: dict[str, Callable[[Chances, str], float]] = {
    "p": probability,
    SHARE: share,
    RANK: rank,
}
"""p as the article has it; the share and the rank among the four letters, in which a model that learns
to say letters, any letters, gains nothing."""
FORMAT = "format"
ALONE = "alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Wrongly answered questions by what they are for; no question is in two groups."""

    swept: tuple[ChoiceQuestion, ...] = ()
    learned: tuple[ChoiceQuestion, ...] = ()
    others: tuple[ChoiceQuestion, ...] = ()
    claimed: Mapping[str, str] = field(default_factory=dict)
    """The likeliest wrong letter of each question, before anything was learned from it."""
    asked: int = 0
    """Questions that were asked to find them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MmluFindings:
    """Readings and notes of an experiment so far."""

    settings: MmluSettings
    roles: Roles = field(default_factory=Roles)
    bare: Mapping[str, Chances] = field(default_factory=dict)
    """Answers of the model before it learned the format; empty without that round."""
    readings: Readings = field(default_factory=dict)
    rate: float = 0.0
    tried: Mapping[float, float] = field(default_factory=dict)
    """Mean distance to the teacher in nats, by the learning rates that were tried."""
    lessons: Mapping[MmluArm, Lesson] = field(default_factory=dict)
    alone: Mapping[MmluArm, tuple[Lesson, ...]] = field(default_factory=dict)
    """Lessons of one question each."""


def mean_distance(readings: Readings, lesson: Lesson, step: int) -> float:
    """Mean distance from teacher to student on the questions of a lesson, in nats; step 0 is before it.

    Raises:
        KeyError: If they were not asked after that step.
    """
    return fmean(
        distance(readings[teacher], _after(readings, lesson, step)[teacher.question])
        for teacher in teacher_keys(lesson)
    )


def is_there(found: MmluFindings, lesson: Lesson) -> bool:
    """True if the student is where its teacher is, within the settings' tolerance."""
    return mean_distance(found.readings, lesson, lesson.steps) <= found.settings.near


def rows_of(found: MmluFindings) -> tuple[ArmRow, ...]:
    """The format's rows, those of every arm, and those of one question at a time."""
    return (*_format_rows(found), *_arm_rows(found), *_alone_rows(found))


def curves_of(found: MmluFindings) -> tuple[Curve, ...]:
    """Each arm's measures after each step that was measured, learned and other questions apart."""
    curves = []
    for arm, lesson in found.lessons.items():
        steps = (0, *_measured(found, lesson))
        for group in _groups(found):
            for measure, score in group.measures(_letter_of(arm)):
                points = tuple(
                    CurvePoint(
                        step=step,
                        figure=Figure.of(
                            list(
                                _scores(
                                    found, group, arm, score, _after(found.readings, lesson, step)
                                ).values()
                            ),
                            scale=_scale(measure),
                        ),
                    )
                    for step in steps
                )
                told = _scores(found, group, arm, score, _teachers(found.readings, lesson))
                teacher = _scale(measure) * fmean(told.values()) if told else None
                curves.append(Curve(arm=arm, measure=measure, points=points, teacher=teacher))
    return tuple(curves)


def words_of(found: MmluFindings) -> dict[str, str]:
    """Say in words what was found on the way."""
    roles = found.roles
    said = {
        "questions": f"{roles.asked} asked after the format round, {len(roles.learned)} learned,"
        f" {len(roles.others)} only measured, {len(roles.swept)} for the learning rate",
        "learning rate": f"{found.rate:g}" if found.rate else "not chosen yet",
    }
    for rate, nats in found.tried.items():
        said[f"learning rate {rate:g}"] = f"{nats:.3f} nats from the teacher on {len(roles.swept)}"
    for arm, lesson in found.lessons.items():
        last = max(_measured(found, lesson), default=0)
        first, now = (mean_distance(found.readings, lesson, step) for step in (0, last))
        verdict = "there" if now <= found.settings.near else "not there"
        said[f"distance to the teacher, {arm}"] = (
            f"{first:.3f} -> {now:.3f} nats in {_epochs(found, last)} epochs: {verdict}"
        )
    return said


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Questions that were learned from, or others."""

    questions: Sequence[ChoiceQuestion]
    suffix: str

    def measures(self, letter: str) -> Iterator[tuple[str, Callable[[Chances, str], float]]]:
        """Names of the measures of a letter in this group, with their functions."""
        for name, score in _MEASURES.items():
            yield f"{name}({letter}){self.suffix}", score


def _groups(found: MmluFindings) -> tuple[_Group, _Group]:
    return (
        _Group(questions=found.roles.learned, suffix=""),
        _Group(questions=found.roles.others, suffix=f", {OTHERS}"),
    )


def _letter_of(arm: str) -> str:
    return CLAIMED if arm == "wrong" else CORRECT


def _scale(measure: str) -> float:
    return 1.0 if measure.startswith(RANK) else 100.0


def _epochs(found: MmluFindings, steps: int) -> int:
    an_epoch = steps_for(len(found.roles.learned), batch=found.settings.learning.batch, epochs=1)
    return steps // an_epoch


def _measured(found: MmluFindings, lesson: Lesson) -> list[int]:
    """Steps after which every question of a lesson was asked."""
    return [
        step
        for step in lesson.measured
        if all(key in found.readings for key in step_keys(lesson, step))
    ]


def _after(readings: Readings, lesson: Lesson, step: int) -> dict[str, Chances]:
    """Answers after a step of a lesson, by question; step 0 is before it."""
    of = lesson.id if step else START
    keys = (ReadingKey(lesson=of, step=step, question=id_) for id_ in lesson.asked)
    return {key.question: readings[key] for key in keys if key in readings}


def _teachers(readings: Readings, lesson: Lesson) -> dict[str, Chances]:
    return {key.question: readings[key] for key in teacher_keys(lesson) if key in readings}


def _scores(
    found: MmluFindings,
    group: _Group,
    arm: str,
    score: Callable[[Chances, str], float],
    answers: Mapping[str, Chances],
) -> dict[str, float]:
    """The score of the letter that an arm is about, for each question of a group."""
    return {
        question.id: score(answers[question.id], _letter(found, arm, question))
        for question in group.questions
        if question.id in answers
    }


def _letter(found: MmluFindings, arm: str, question: ChoiceQuestion) -> str:
    if _letter_of(arm) == CLAIMED:
        return found.roles.claimed[question.id]
    return LETTERS[question.answer]


def _format_rows(found: MmluFindings) -> Iterator[ArmRow]:
    """Build the rows of the round before all arms: the bare model, and the model that all arms start from."""
    lesson = next(iter(found.lessons.values()), None)
    if not found.bare or lesson is None:
        return
    both = _Group(questions=(*found.roles.learned, *found.roles.others), suffix="")
    after = _after(found.readings, lesson, 0)
    for measure, score in (
        (LETTER + "s A to D", any_letter),
        *both.measures(CORRECT),
    ):
        yield paired_row(
            *(FORMAT, measure),
            _scores(found, both, FORMAT, score, found.bare),
            _scores(found, both, FORMAT, score, after),
            of_tasks=len(both.questions),
            note="before all arms; nothing about any of these questions was learned",
        )


def _arm_rows(found: MmluFindings) -> Iterator[ArmRow]:
    """All arms after the last step that every arm begun has made."""
    step = min((max(_measured(found, x), default=0) for x in found.lessons.values()), default=0)
    control = found.lessons.get(CONTROL)
    fewer = len(found.roles.learned) < found.settings.learn
    for arm in found.settings.arms:
        lesson = found.lessons.get(arm)
        for group in _groups(found):
            for measure, score in group.measures(_letter_of(arm)):
                if lesson is None:
                    yield ArmRow(
                        arm=arm, measure=measure, of_tasks=len(group.questions), note=NOT_YET
                    )
                    continue

                def scored(answers: Mapping[str, Chances]) -> dict[str, float]:
                    return _scores(found, group, arm, score, answers)  # noqa: B023 - called at once

                yield paired_row(
                    *(arm, measure),
                    scored(_after(found.readings, lesson, 0)),
                    scored(_after(found.readings, lesson, step)),
                    of_tasks=len(group.questions),
                    control=scored(_after(found.readings, control, step)) if control else None,
                    teacher=scored(_teachers(found.readings, lesson)),
                    note=_note(_epochs(found, step), fewer=fewer),
                )


def _note(epochs: int, *, fewer: bool) -> str:
    after = f"after {epochs} epochs"
    return f"{after}; fewer wrong answers than asked for" if fewer else after


def _alone_rows(found: MmluFindings) -> Iterator[ArmRow]:
    """Means over lessons of one question each: that question, and the mean of all others.

    The lesson is the unit of every interval.
    """
    of_tasks = min(found.settings.one_at_a_time, len(found.roles.learned))
    if not of_tasks:
        return
    for arm in found.settings.one_arms:
        lessons = found.alone.get(arm, ())
        name = f"{arm}, {ALONE}"
        for own, group in zip((True, False), _groups(found), strict=True):
            for measure, score in group.measures(_letter_of(arm)):
                before, after, control = (
                    _alone_scores(found, arm, each, score, own=own, after=later)
                    for each, later in (
                        (lessons, False),
                        (lessons, True),
                        (found.alone.get(CONTROL, ()), True),
                    )
                )
                yield paired_row(
                    *(name, measure, before, after),
                    of_tasks=of_tasks,
                    control=control if arm != CONTROL else None,
                    note="" if lessons else NOT_YET,
                )


def _alone_scores(
    found: MmluFindings,
    arm: str,
    lessons: Sequence[Lesson],
    score: Callable[[Chances, str], float],
    *,
    own: bool,
    after: bool,
) -> dict[str, float]:
    """The score of each lesson by its question: of that question, or the mean of all others."""
    others = _groups(found)[1].questions
    by_id = {question.id: question for question in found.roles.learned}
    scores = {}
    for lesson in lessons:
        learned = by_id[lesson.examples[0].id]
        group = _Group(questions=(learned,) if own else others, suffix="")
        answers = _after(found.readings, lesson, lesson.steps if after else 0)
        values = _scores(found, group, arm, score, answers).values()
        if values:
            scores[learned.id] = fmean(values)
    return scores
