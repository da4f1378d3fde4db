"""Experiment 1: how learning from feedback moves the probability of an answer's letter.

Questions that the bare model gets wrong, its own wrong letter as the action, one kind of feedback
per arm; measured after learning, without any feedback in the prompt, on the questions that were
learned from (as the article does) and on others, which tell learning from a change of habit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from lab.article.results import OTHERS, SHARE, ArmRow, paired_row
from lab.article.settings import MmluSettings
from lab.benchmarks.mmlu import (
    LETTERS,
    VARIANTS,
    ChoiceQuestion,
    Score,
    Shift,
    ShiftFile,
    Variant,
    ask_all,
    measure,
    question_prompt,
)
from lab.training.feedback import FeedbackExample
from lab.training.train import ArmAdapter
from learning.evaluation.run import OnRow, silent
from learning.training.chat_format import Format

ANSWER, CLAIMED, OTHER = "p(correct)", "p(claimed)", f"p(correct), {OTHERS}"
SHARES = {
    ANSWER: f"{SHARE}(correct)",
    CLAIMED: f"{SHARE}(claimed)",
    OTHER: f"{SHARE}, {OTHERS}",
}
"""The same letters among the four: a model that learns to say letters, any letters, gains nothing."""
_LETTER = re.compile(r"\b(?:answer|choice|option)\s*(?:is|:)?\s*\(?[A-D]\b|\([A-D]\)|^[A-D][.)]")


class Teach(Protocol):
    """Learns from the examples of an arm; see `ExperimentRun.learn`."""

    async def __call__(self, arm: str, examples: Sequence[FeedbackExample]) -> ArmAdapter: ...


Load = Callable[[ArmAdapter | None], AbstractContextManager[Score]]
"""The model with what was learned, or bare, while in the context."""


Explain = Callable[[Sequence[ChoiceQuestion]], Awaitable[Mapping[str, str]]]
"""Explanations by question; where there is none, a fixed sentence stands in."""


FileOf = Callable[[str, ArmAdapter | None], ShiftFile]
"""Gives the file of an arm's shifts; another adapter has another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaughtModel:
    """The model of the experiment: loaded to be asked, taught, and its tokenizer."""

    load: Load
    teach: Teach
    chat: Format


def learned_from(
    shifts: Mapping[str, Shift | None], questions: Sequence[ChoiceQuestion], count: int
) -> list[ChoiceQuestion]:
    """The first `count` questions that the bare model got wrong."""
    return [question for question in questions if shifts[question.id] is not None][:count]


def examples_of(
    questions: Sequence[ChoiceQuestion],
    shifts: Mapping[str, Shift | None],
    variant: Variant,
    chat: Format,
    explanations: Mapping[str, str],
) -> list[FeedbackExample]:
    """One example per question: the model's most probable wrong letter as the action, and the feedback."""
    examples = []
    for question in questions:
        shift = shifts[question.id]
        if shift is None:
            continue
        claimed = LETTERS.index(shift.wrong)
        explanation = explanations.get(question.id, "")
        shown = question_prompt(question, variant, claimed=claimed, explanation=explanation)
        examples.append(
            FeedbackExample(
                id=question.id,
                messages=question_prompt(question).messages,
                action_ids=(chat.encode_text(shift.wrong)[0],),
                feedback=shown.messages,
                control=question_prompt(question, "neutral").messages,
            )
        )
    return examples


def tells_a_letter(explanation: str) -> bool:
    """True if an explanation names the letter of an answer, which one arm must not see."""
    return _LETTER.search(explanation) is not None


def rows_of(
    settings: MmluSettings,
    questions: Sequence[ChoiceQuestion],
    bare: Mapping[str, Shift | None],
    after: Mapping[str, Mapping[str, Shift | None]],
) -> tuple[ArmRow, ...]:
    """The arms that were run, and those that were not, in the order of the variants."""
    taught = learned_from(bare, questions, settings.learn)
    rows = []
    for arm in _arms(settings):
        found = after.get(arm, {})
        letter = CLAIMED if arm == "wrong" else ANSWER
        note = "" if len(taught) == settings.learn else "fewer wrong answers than asked for"
        others = _others(bare, questions, taught)
        for measured, of in (
            (letter, taught),
            (SHARES[letter], taught),
            (OTHER, others),
            (SHARES[OTHER], others),
        ):
            rows.append(
                paired_row(
                    arm,
                    measured,
                    _scores(of, bare, measured),
                    _scores(of, found, measured, claims=bare),
                    of_tasks=len(of),
                    note=note if measured == letter else "",
                )
            )
    return tuple(rows)


async def _unexplained(_questions: Sequence[ChoiceQuestion]) -> Mapping[str, str]:
    return {}


async def run_mmlu(
    settings: MmluSettings,
    questions: Sequence[ChoiceQuestion],
    file_of: FileOf,
    taught_model: TaughtModel,
    *,
    explain: Explain = _unexplained,
    counter: Callable[[str], OnRow[Shift | None]] = lambda _arm: silent,
    on_rows: Callable[[tuple[ArmRow, ...]], object] = lambda _rows: None,
) -> tuple[ArmRow, ...]:
    """Run the experiment; rows and adapters that are there are not made again.

    `on_rows` gets what there is after each arm, so that a run that is stopped leaves its figures;
    `counter` makes what is called after each question of an arm with those done and all.

    Raises:
        TrainingError: If the model answers every question rightly.
    """
    arms = _arms(settings)

    file = file_of("bare", None)
    with _loaded(taught_model.load, None, file, questions) as score:
        bare = await ask_all(questions, partial(measure, score=score), file, on_row=counter("bare"))
    taught = learned_from(bare, questions, settings.learn)
    needs = {"explained", "unlettered"} & set(arms)
    explanations = await explain(taught) if needs else {}
    after: dict[str, Mapping[str, Shift | None]] = {}
    for arm in arms:
        learned = await taught_model.teach(
            arm, examples_of(taught, bare, arm, taught_model.chat, explanations)
        )
        file = file_of(arm, learned)
        with _loaded(taught_model.load, learned, file, questions) as score:
            after[arm] = await ask_all(
                questions, partial(_plain, score=score), file, on_row=counter(arm)
            )
        on_rows(rows_of(settings, questions, bare, after))
    return rows_of(settings, questions, bare, after)


def _arms(settings: MmluSettings) -> tuple[Variant, ...]:
    return tuple(variant for variant in VARIANTS if variant in settings.arms)


@contextmanager
def _loaded(
    load: Load, learned: ArmAdapter | None, file: ShiftFile, questions: Sequence[ChoiceQuestion]
) -> Iterator[Score]:
    """The model, unless every question was asked already."""
    if {question.id for question in questions} <= file.read().keys():
        yield lambda _prompt, _letters: ()
        return
    with load(learned) as score:
        yield score


def _plain(question: ChoiceQuestion, score: Score) -> Shift:
    letters = score(question_prompt(question), list(LETTERS))
    return Shift(
        question_id=question.id,
        correct=LETTERS[question.answer],
        wrong="",
        probabilities={"none": tuple(math.exp(value) for value in letters)},
    )


def _others(
    bare: Mapping[str, Shift | None],
    questions: Sequence[ChoiceQuestion],
    taught: Sequence[ChoiceQuestion],
) -> list[ChoiceQuestion]:
    """Wrongly answered questions that nothing was learned from."""
    used = {question.id for question in taught}
    return [q for q in questions if q.id not in used and bare[q.id] is not None]


def _scores(
    questions: Sequence[ChoiceQuestion],
    shifts: Mapping[str, Shift | None],
    measured: str,
    *,
    claims: Mapping[str, Shift | None] | None = None,
) -> dict[str, float]:
    found = {}
    for question in questions:
        shift, first = shifts.get(question.id), (claims or shifts).get(question.id)
        if shift is not None and first is not None:
            letter = first.wrong if measured in (CLAIMED, SHARES[CLAIMED]) else first.correct
            score = shift.share if measured in SHARES.values() else shift.probability
            found[question.id] = score(letter)
    return found
