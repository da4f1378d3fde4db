"""MMLU (arXiv 2009.03300): the shift in an answer's probability that feedback in the prompt makes.

This measures the shift that a teacher with feedback has over the student without it, on questions
that the model gets wrong. The founding article reports the shift *after learning*; run this again
with `--adapter` and compare the probabilities without feedback.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from agent.rounds.trial.program_judge import EvaluationError
from lab.prompt_files import filled, words
from lab.rows.place import AskedModel, Place
from lab.rows.work import About, Opened
from learning.evaluation.local import LocalModel
from learning.evaluation.prompting import Prompt
from learning.evaluation.rows import DataError, RowFile, read_json_lines
from learning.evaluation.run import OnRow, complete, silent
from learning.evaluation.samples import ResultManifest, claim_folder, read_manifest
from learning.evaluation.statistics import Bootstrap, bootstrap_mean
from learning.records import Message

Variant = Literal["none", "neutral", "answer", "explained", "unlettered", "wrong"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
LETTERS = "ABCD"
_BY_A_MODEL = {"explained": "mmlu_told", "unlettered": "mmlu_told_unlettered"}
_FILES = {
    "neutral": "mmlu_neutral",
    "answer": "mmlu_answer",
    "explained": "mmlu_explained",
    "unlettered": "mmlu_unlettered",
    "wrong": "mmlu_answer",
}

Score = Callable[[Prompt, Sequence[str]], Sequence[float]]
"""Natural log-probability of each of some letters after a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceQuestion:
    """One question with four choices."""

    id: str
    subject: str
    text: str
    choices: tuple[str, ...]
    answer: int
    """Position of the right choice, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Probabilities of the letters of one question under each variant."""

    question_id: str
    correct: str
    wrong: str
    """The letter that the variant `wrong` claims: the likeliest of the wrong ones at first."""
    probabilities: dict[str, tuple[float, ...]]
    """Probabilities of the letters A to D under the model's whole vocabulary, by variant."""

    def probability(self, letter: str, variant: Variant = "none") -> float:
        """Probability of a letter under the whole vocabulary; it grows, too, if a model only learns to say letters."""
        return self.probabilities[variant][LETTERS.index(letter)]

    def share(self, letter: str, variant: Variant = "none") -> float:
        """Share of a letter in the probability of all four: 0.25 for a model that knows nothing or says no letters."""
        total = sum(self.probabilities[variant])
        return self.probability(letter, variant) / total if total > 0 else 1 / len(LETTERS)


ShiftFile: TypeAlias = RowFile[str, Shift | None]
"""Shifts by question; None for a question that was answered rightly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRow:
    """The mean probability of one letter under one variant, over questions."""

    variant: str
    letter: Literal["correct", "claimed"]
    probability: Bootstrap
    share: Bootstrap
    """The letter's share of the probability of all four letters."""


def load_questions(path: Path) -> tuple[ChoiceQuestion, ...]:
    """Read `subject`, `question`, `choices` (4) and `answer` (0-3) per line.

    Raises:
        DataError: If a line is not such a question.
    """
    return tuple(_question(record, number) for number, record in enumerate(read_json_lines(path)))


def measure(question: ChoiceQuestion, score: Score, *, only_wrong: bool = True) -> Shift | None:
    """Probabilities under every variant; None for a question that the model gets right already."""
    first = _letters(question_prompt(question), score)
    if only_wrong and max(range(4), key=first.__getitem__) == question.answer:
        return None
    others = [place for place in range(4) if place != question.answer]
    claimed = max(others, key=first.__getitem__)
    found: dict[str, tuple[float, ...]] = {"none": first}
    for variant in VARIANTS[1:]:
        found[variant] = _letters(question_prompt(question, variant, claimed=claimed), score)
    return Shift(
        question_id=question.id,
        correct=LETTERS[question.answer],
        wrong=LETTERS[claimed],
        probabilities=found,
    )


async def ask_all(
    questions: Sequence[ChoiceQuestion],
    ask: Callable[[ChoiceQuestion], Shift | None],
    file: ShiftFile,
    *,
    on_row: OnRow[Shift | None] = silent,
) -> dict[str, Shift | None]:
    """Complete `file`: a row for each question."""
    by_id = {question.id: question for question in questions}

    async def make(question_id: str) -> Shift | None:
        return ask(by_id[question_id])

    return await complete(file, by_id, make, on_row=on_row)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftWork:
    """The shifts of some questions, measured with a model that is loaded by torch."""

    about: About
    model: AskedModel
    questions: Sequence[ChoiceQuestion]
    only_wrong: bool

    @asynccontextmanager
    async def open(self, place: Place) -> AsyncIterator[Opened[str, Shift | None]]:
        """See `Work.open`."""
        by_id = {question.id: question for question in self.questions}
        async with place.asking(self.model) as model:
            local = model.generator
            if not isinstance(local, LocalModel):
                raise EvaluationError("a server does not tell the probabilities of letters")

            async def make(question_id: str) -> Shift | None:
                return measure(by_id[question_id], local.score, only_wrong=self.only_wrong)

            yield Opened(manifest=self.about.manifest(model), make=make)


def question_prompt(
    question: ChoiceQuestion,
    variant: Variant = "none",
    *,
    claimed: int | None = None,
    explanation: str = "",
) -> Prompt:
    """The question as a chat, with feedback.

    `claimed` is what the variant `wrong` calls right; an `explanation` replaces the sentence that
    the explained variants have otherwise.
    """
    a, b, c, d = question.choices
    text = filled(
        "mmlu",
        subject=question.subject.replace("_", " "),
        question=question.text,
        a=a,
        b=b,
        c=c,
        d=d,
    )
    if variant != "none":
        place = claimed if variant == "wrong" and claimed is not None else question.answer
        name = _FILES[variant]
        if explanation and variant in _BY_A_MODEL:
            name = _BY_A_MODEL[variant]
        text += filled(
            name, letter=LETTERS[place], choice=question.choices[place], explanation=explanation
        )
    return Prompt(messages=(Message(role="user", content=text),))


def table(shifts: Sequence[Shift], *, seed: int = 0) -> tuple[VariantRow, ...]:
    """Mean probability of the correct letter under each variant, and of the claimed wrong one.

    Raises:
        ValueError: If there are no shifts.
    """
    rows = [_row(shifts, variant, "correct", seed) for variant in VARIANTS]
    return (*rows, _row(shifts, "none", "claimed", seed), _row(shifts, "wrong", "claimed", seed))


def prompts_digest() -> str:
    """Digest of every word that is added to a question."""
    names = ("mmlu", *dict.fromkeys(_FILES.values()), *_BY_A_MODEL.values())
    return hashlib.sha256("\0".join(map(words, names)).encode()).hexdigest()


def shift_file(folder: Path, manifest: ResultManifest) -> ShiftFile:
    """The shifts of a manifest in a folder, made or taken up again.

    Raises:
        SamplesError: If it holds results of other settings.
    """
    claim_folder(folder, manifest)
    return _shifts(folder, manifest)


def read_answers(folder: Path) -> dict[str, float]:
    """Read a score for each question: 1 if the model is right without feedback, else 0.

    Raises:
        SamplesError: If it is not such a folder.
    """
    found = _shifts(folder, read_manifest(folder)).read()
    return {question: float(shift is None or _right(shift)) for question, shift in found.items()}


def _shifts(folder: Path, manifest: ResultManifest) -> ShiftFile:
    return RowFile(
        path=folder / "shifts.jsonl",
        encode=lambda question, shift: {
            "question": question,
            "shift": asdict(shift) if shift else None,
        },
        decode=lambda record: (str(record["question"]), _shift(record.get("shift"))),
        mark={"manifest": manifest.digest},
    )


def _right(shift: Shift) -> bool:
    letters = shift.probabilities["none"]
    return LETTERS[max(range(len(letters)), key=letters.__getitem__)] == shift.correct


def _shift(record: dict[str, Any] | None) -> Shift | None:
    if record is None:
        return None
    probabilities = {name: tuple(values) for name, values in record["probabilities"].items()}
    return Shift(**{**record, "probabilities": probabilities})


def _row(
    shifts: Iterable[Shift], variant: Variant, letter: Literal["correct", "claimed"], seed: int
) -> VariantRow:
    told = [(shift, shift.correct if letter == "correct" else shift.wrong) for shift in shifts]
    return VariantRow(
        variant=variant,
        letter=letter,
        probability=bootstrap_mean([s.probability(x, variant) for s, x in told], seed=seed),
        share=bootstrap_mean([s.share(x, variant) for s, x in told], seed=seed),
    )


def _letters(prompt: Prompt, score: Score) -> tuple[float, ...]:
    return tuple(math.exp(value) for value in score(prompt, list(LETTERS)))


def _question(record: dict[str, object], number: int) -> ChoiceQuestion:
    choices, answer = record.get("choices"), record.get("answer")
    subject, text = record.get("subject"), record.get("question")
    if (
        not isinstance(choices, list)
        or len(choices) != len(LETTERS)
        or answer not in range(len(LETTERS))
        or not isinstance(text, str)
    ):
        raise DataError(f"Line {number + 1} is no question with four choices and an answer 0-3.")
    return ChoiceQuestion(
        id=f"{subject}/{number}",
        subject=str(subject),
        text=text,
        choices=tuple(str(choice) for choice in choices),
        answer=int(str(answer)),
    )
