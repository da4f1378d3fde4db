"""Experiment 1: how learning from feedback moves the probability of an answer's letter.

First a round that teaches nothing but to answer with a letter; all arms start from it. Then questions
that this model gets wrong, its own wrong letter as the action, one kind of feedback per arm, learned
until the student is where its teacher is. Measured without any feedback in the prompt, on the
questions that were learned from (as the article does) and on others. Last, questions that are each
learned alone.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from lab.article.asking import Enough
from lab.article.lessons import Lesson, Probe, Teach, steps_for
from lab.article.letters import LETTERS, Chances, best, best_wrong
from lab.article.mmlu_rows import MmluFindings, Roles, is_there, mean_distance
from lab.article.settings import MmluArm, MmluSettings
from lab.benchmarks.mmlu import VARIANTS, ChoiceQuestion, Variant, question_prompt
from lab.prompt_files import words
from lab.training.feedback import FeedbackExample
from lab.training.train import ArmAdapter
from learning.training.chat_format import Format
from learning.training.job import TrainingError

_LETTER = re.compile(r"\b(?:answer|choice|option)\s*(?:is|:)?\s*\(?[A-D]\b|\([A-D]\)|^[A-D][.)]")
_BEGUN = "article_letter"
_CURVE = (1, 2, 3, 5, 7)
_CURVE_EVERY = 5
"""Epochs between two points of the curve, after the first ones."""
_SWEPT_ARM: MmluArm = "answer"


class Ask(Protocol):
    """Asks a model questions, bare or with an adapter; answers on the disk are not asked for again."""

    async def __call__(
        self,
        questions: Sequence[ChoiceQuestion],
        adapter: ArmAdapter | None,
        enough: Enough = ...,
    ) -> Mapping[str, Chances]: ...


Explain = Callable[[Sequence[ChoiceQuestion]], Awaitable[Mapping[str, str]]]
"""Explanations by question; where there is none, a fixed sentence stands in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The model of the experiment: how it is asked and taught, and its tokenizer."""

    ask: Ask
    learn_format: Callable[[Sequence[FeedbackExample]], Awaitable[ArmAdapter]]
    """Teaches the round before all arms."""
    teacher: Callable[[ArmAdapter | None], Teach]
    """Gives lessons that start from the bare model or from an adapter."""
    chat: Format


async def _unexplained(_questions: Sequence[ChoiceQuestion]) -> Mapping[str, str]:
    return {}


async def run_mmlu(
    settings: MmluSettings,
    questions: Sequence[ChoiceQuestion],
    subject: Subject,
    *,
    explain: Explain = _unexplained,
    on_found: Callable[[MmluFindings], object] = lambda _found: None,
) -> MmluFindings:
    """Run the experiment; what is on the disk is not made again.

    `on_found` gets what there is after each part, so that a run that is stopped leaves its figures.

    Raises:
        TrainingError: If the model answers every question rightly.
    """
    fitting = [question for question in questions if _fits(question, settings, subject.chat)]
    own, rest = fitting[: settings.format.questions], fitting[settings.format.questions :]
    adapter = await _format(own, subject)
    roles = await _roles(settings, rest, subject, adapter)
    if not roles.learned:
        raise TrainingError(
            f"{roles.asked} questions gave no wrong answer to learn from: ask more (`questions`)"
        )
    asked = [*roles.learned, *roles.others]
    bare = await subject.ask(asked, None) if adapter else {}
    needs = {"explained", "unlettered"} & {*settings.arms, *settings.one_arms}
    explanations = await explain(roles.learned) if needs else {}
    school = _School(
        settings=settings,
        roles=roles,
        chat=subject.chat,
        explanations=explanations,
        teach=subject.teacher(adapter),
    )
    found = await _swept(MmluFindings(settings=settings, roles=roles, bare=bare), school)
    found = await _taught(found, school, on_found)
    return await _taught_alone(found, school, on_found)


def tells_a_letter(explanation: str) -> bool:
    """True if an explanation names the letter of an answer, which one arm must not see."""
    return _LETTER.search(explanation) is not None


def curve_epochs(epochs: int) -> tuple[int, ...]:
    """Epochs after which a lesson is measured: often at first, then every fifth, and the last."""
    points = {*_CURVE, *range(2 * _CURVE_EVERY, epochs, _CURVE_EVERY), epochs}
    return tuple(sorted(point for point in points if point <= epochs))


@dataclass(frozen=True, slots=True, kw_only=True)
class _School:
    """All that lessons are made of."""

    settings: MmluSettings
    roles: Roles
    chat: Format
    explanations: Mapping[str, str]
    teach: Teach

    def lesson(
        self,
        arm: MmluArm,
        questions: Sequence[ChoiceQuestion],
        rate: float,
        *,
        epochs: int,
        name: str = "",
    ) -> Lesson:
        """The lesson of an arm on some questions, measured along the way on them and on the others."""
        batch = self.settings.learning.batch
        an_epoch = steps_for(len(questions), batch=batch, epochs=1)
        return Lesson(
            name=name or arm,
            examples=tuple(self._example(question, arm) for question in questions),
            steps=an_epoch * epochs,
            batch=batch,
            learning_rate=rate,
            measured=tuple(an_epoch * epoch for epoch in curve_epochs(epochs)),
            asked=tuple(question.id for question in (*questions, *self.roles.others)),
            kept=True,
        )

    @property
    def probes(self) -> list[Probe]:
        """Every question that is asked in any lesson."""
        every = (*self.roles.swept, *self.roles.learned, *self.roles.others)
        return [Probe(id=each.id, messages=question_prompt(each).messages) for each in every]

    def _example(self, question: ChoiceQuestion, arm: Variant) -> FeedbackExample:
        """The model's most probable wrong letter as the action, and the arm's feedback."""
        claimed = self.roles.claimed[question.id]
        explanation = self.explanations.get(question.id, "")
        shown = question_prompt(
            question, arm, claimed=LETTERS.index(claimed), explanation=explanation
        )
        return FeedbackExample(
            id=question.id,
            messages=question_prompt(question).messages,
            action_ids=(self.chat.encode_text(claimed)[0],),
            feedback=shown.messages,
            control=question_prompt(question, "neutral").messages,
        )


def _fits(question: ChoiceQuestion, settings: MmluSettings, chat: Format) -> bool:
    prompt = chat.encode(question_prompt(question, "explained").messages)
    return len(prompt) < settings.learning.max_tokens


async def _format(questions: Sequence[ChoiceQuestion], subject: Subject) -> ArmAdapter | None:
    """The round in which the model learns to answer with a letter; None if there is none.

    The teacher has read a note without content and the beginning of an answer that only a letter can
    follow. Each question is learned with that note and without it, so that notes are still answered
    with a letter in the arms.
    """
    if not questions:
        return None
    bare = await subject.ask(questions, None)
    examples = []
    for question in questions:
        plain, noted = (question_prompt(question, each).messages for each in ("none", "neutral"))
        letter = LETTERS[best(bare[question.id])]
        example = FeedbackExample(
            id=question.id,
            messages=plain,
            action_ids=(subject.chat.encode_text(letter)[0],),
            feedback=noted,
            control=noted,
            begun=words(_BEGUN),
        )
        examples += [example, replace(example, id=f"{question.id}, noted", messages=noted)]
    return await subject.learn_format(examples)


async def _roles(
    settings: MmluSettings,
    questions: Sequence[ChoiceQuestion],
    subject: Subject,
    adapter: ArmAdapter | None,
) -> Roles:
    """Ask questions until enough were answered wrongly, and deal the wrong ones out."""
    sweep = settings.sweep if len(settings.learning.learning_rates) > 1 else 0
    needed = sweep + settings.learn + settings.others
    by_id = {question.id: question for question in questions}

    def wrong_in(answers: Mapping[str, Chances]) -> list[str]:
        return [id_ for id_, found in answers.items() if best(found) != by_id[id_].answer]

    answers = await subject.ask(questions, adapter, lambda found: len(wrong_in(found)) >= needed)
    wrong = [by_id[id_] for id_ in wrong_in(answers)]
    learned_to = sweep + settings.learn
    return Roles(
        swept=tuple(wrong[:sweep]),
        learned=tuple(wrong[sweep:learned_to]),
        others=tuple(wrong[learned_to:needed]),
        claimed={
            question.id: LETTERS[best_wrong(answers[question.id], question.answer)]
            for question in wrong
        },
        asked=len(answers),
    )


async def _swept(found: MmluFindings, school: _School) -> MmluFindings:
    """Try the learning rates on questions of their own, and choose the one nearest to the teacher."""
    rates, questions = school.settings.learning.learning_rates, school.roles.swept
    if len(rates) == 1 or not questions:
        return replace(found, rate=rates[0])
    epochs = school.settings.epochs
    lessons = []
    for rate in rates:
        lesson = school.lesson(_SWEPT_ARM, questions, rate, epochs=epochs, name=f"rate {rate:g}")
        own = tuple(question.id for question in questions)
        lessons.append(replace(lesson, measured=(lesson.steps,), asked=own, kept=False))
    readings = await school.teach(lessons, school.probes)
    tried = {
        lesson.learning_rate: mean_distance(readings, lesson, lesson.steps) for lesson in lessons
    }
    return replace(
        found, readings=readings, tried=tried, rate=min(tried, key=lambda rate: tried[rate])
    )


async def _taught(
    found: MmluFindings, school: _School, on_found: Callable[[MmluFindings], object]
) -> MmluFindings:
    """Teach every arm, all for the same number of epochs, until each is where its teacher is."""
    settings, epochs = school.settings, school.settings.epochs
    while True:
        for arm in in_order(settings.arms):
            lesson = school.lesson(arm, school.roles.learned, found.rate, epochs=epochs)
            readings = await school.teach([lesson], school.probes)
            found = replace(found, readings=readings, lessons={**found.lessons, arm: lesson})
            on_found(found)
        there = all(is_there(found, lesson) for lesson in found.lessons.values())
        if there or epochs >= settings.most_epochs:
            return found
        epochs = min(settings.most_epochs, epochs + settings.epochs)


async def _taught_alone(
    found: MmluFindings, school: _School, on_found: Callable[[MmluFindings], object]
) -> MmluFindings:
    """Teach questions one at a time, each from the weights that all arms start from."""
    settings = school.settings
    questions = school.roles.learned[: settings.one_at_a_time]
    for arm in in_order(settings.one_arms) if questions else ():
        lessons = []
        for question in questions:
            lesson = school.lesson(
                *(arm, [question], found.rate),
                epochs=settings.epochs,
                name=f"{arm} alone",
            )
            lessons.append(replace(lesson, measured=(lesson.steps,), kept=False))
        readings = await school.teach(lessons, school.probes)
        found = replace(found, readings=readings, alone={**found.alone, arm: tuple(lessons)})
        on_found(found)
    return found


def in_order(arms: Sequence[MmluArm]) -> list[MmluArm]:
    """The arms in the order in which they are run, the control first."""
    return sorted(arms, key=VARIANTS.index)
