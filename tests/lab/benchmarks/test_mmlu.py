from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.benchmarks.mmlu import (
    VARIANTS,
    ChoiceQuestion,
    load_questions,
    measure,
    question_prompt,
    table,
)
from lab.training.suites import drawn
from learning.evaluation.prompting import Prompt
from learning.evaluation.rows import DataError

QUESTION = ChoiceQuestion(
    id="physics/0",
    subject="high_school_physics",
    text="What falls?",
    choices=("stones", "clouds", "stars", "ideas"),
    answer=0,
)


def believes(prompt: Prompt, letters: Sequence[str]) -> list[float]:
    """Prefers B, and after feedback the letter that it names."""
    _, _, feedback = prompt.messages[0].content.partition("Feedback")
    named = next((x for x in letters if feedback.rstrip().endswith(f"is {x}.")), "B")
    return [math.log(0.7 if letter == named else 0.1) for letter in letters]


def test_feedback_moves_the_probability_of_the_letter_it_names() -> None:
    shift = measure(QUESTION, believes)
    assert shift is not None
    assert (shift.correct, shift.wrong) == ("A", "B")
    rows = {(row.variant, row.letter): row.probability.mean for row in table([shift])}
    assert rows["none", "correct"] == pytest.approx(0.1)
    assert rows["answer", "correct"] == pytest.approx(0.7)
    assert rows["neutral", "correct"] == pytest.approx(0.1)
    assert rows["wrong", "claimed"] == pytest.approx(0.7)


def test_a_share_leaves_out_what_is_no_letter() -> None:
    def spells(_prompt: Prompt, letters: Sequence[str]) -> list[float]:
        return [math.log(0.02 if letter == "B" else 0.01) for letter in letters]

    shift = measure(QUESTION, spells)
    assert shift is not None
    assert shift.probability("A") == pytest.approx(0.01)
    assert shift.share("A") == pytest.approx(0.2)
    assert table([shift])[0].share.mean == pytest.approx(0.2)


def test_questions_that_are_answered_rightly_are_left_out() -> None:
    right = ChoiceQuestion(id="x", subject="s", text="t", choices=QUESTION.choices, answer=1)
    assert measure(right, believes) is None
    assert measure(right, believes, only_wrong=False) is not None


def test_only_the_lettered_variants_tell_the_letter() -> None:
    feedback = {
        variant: question_prompt(QUESTION, variant, claimed=2)
        .messages[0]
        .content.split("D. ideas")[1]
        for variant in VARIANTS
    }
    assert feedback["none"].strip() == ""
    assert "correct answer is A" in feedback["answer"]
    assert "stones" in feedback["explained"]
    assert "stones" in feedback["unlettered"]
    assert "answer is" not in feedback["unlettered"]
    assert "correct answer is C" in feedback["wrong"]
    assert "stones" not in feedback["neutral"]


def test_the_same_seed_takes_the_same_questions() -> None:
    many = [
        ChoiceQuestion(id=str(n), subject="s", text="t", choices=("a", "b", "c", "d"), answer=0)
        for n in range(50)
    ]
    assert drawn(many, 5, 1) == drawn(many, 5, 1)
    assert drawn(many, 5, 1) != drawn(many, 5, 2)
    assert len(drawn(many, 500, 0)) == 50


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    good = {"subject": "s", "question": "q", "choices": ["a", "b", "c", "d"], "answer": 3}
    path.write_text("\n".join(json.dumps(r) for r in (good, {**good, "answer": 4})))
    with pytest.raises(DataError, match="Line 2"):
        load_questions(path)
