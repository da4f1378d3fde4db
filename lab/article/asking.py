"""Questions asked of a model and kept: the probabilities of the letters, one line each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from lab.article.letters import Chances
from lab.benchmarks.mmlu import (
    LETTERS,
    ChoiceQuestion,
    Score,
    Shift,
    ShiftFile,
    ask_all,
    question_prompt,
)
from lab.training.train import ArmAdapter
from learning.evaluation.prompting import Prompt
from learning.evaluation.run import OnRow, silent

Load = Callable[[ArmAdapter | None], AbstractContextManager[Score]]
"""The model with what was learned, or bare, while in the context."""

Enough = Callable[[Mapping[str, Chances]], bool]
"""True if no more answers are needed than these."""

_AT_ONCE = 10
"""Questions between two looks at whether there are enough answers."""


async def ask_kept(
    questions: Sequence[ChoiceQuestion],
    adapter: ArmAdapter | None,
    *,
    load: Load,
    file: ShiftFile,
    enough: Enough = lambda _found: False,
    on_row: OnRow[Shift | None] = silent,
) -> dict[str, Chances]:
    """Ask a model some questions, in order, until there are enough answers.

    The model is loaded only if one was not asked before.
    """
    found: dict[str, Chances] = {}
    with ExitStack() as stack:
        ask = partial(_shift, score=_when_needed(stack, load, adapter))
        for start in range(0, len(questions), _AT_ONCE):
            rows = await ask_all(questions[start : start + _AT_ONCE], ask, file, on_row=on_row)
            answered = {id_: shift for id_, shift in rows.items() if shift is not None}
            found |= {id_: shift.probabilities["none"] for id_, shift in answered.items()}
            if enough(found):
                break
    return found


def _when_needed(stack: ExitStack, load: Load, adapter: ArmAdapter | None) -> Score:
    """A function that loads the model when it is called first."""
    opened: list[Score] = []

    def score(prompt: Prompt, letters: Sequence[str]) -> Sequence[float]:
        if not opened:
            opened.append(stack.enter_context(load(adapter)))
        return opened[0](prompt, letters)

    return score


def _shift(question: ChoiceQuestion, score: Score) -> Shift:
    letters = score(question_prompt(question), list(LETTERS))
    return Shift(
        question_id=question.id,
        correct=LETTERS[question.answer],
        wrong="",
        probabilities={"none": tuple(math.exp(value) for value in letters)},
    )
