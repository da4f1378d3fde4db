"""The fourth experiment: as many tokens for every batch, a control for each, and a curve for each kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from lab.article.gsm8k import FRAMES, examples_of
from lab.article.noise import NoiseFindings, arms_of, curves_of, rows_of
from lab.article.settings import AGREEMENT, NoiseSettings
from lab.benchmarks.gsm8k import WordProblem
from lab.rows.rollouts import Rollout
from lab.training.feedback import example_from, feedback_lines, window_of
from learning.records import Message

SETTINGS = NoiseSettings(train=64, test=4, batches=(4, 32), epochs=2)


class Letters:
    """A format with a token for each letter."""

    def encode(self, messages: Sequence[Message]) -> list[int]:
        return self.encode_text("".join(message.content for message in messages))

    def encode_text(self, text: str) -> list[int]:
        return list(map(ord, text))

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


BARE = {"a": 0.0, "b": 0.0, "c": 1.0, "d": 0.0}


def test_every_batch_sees_as_many_examples() -> None:
    for kind in SETTINGS.kinds:
        for batch in SETTINGS.batches:
            learning = SETTINGS.learning(kind, batch)
            assert learning.steps * learning.batch == 128
    assert SETTINGS.learning("ours", 4).training_rule() == AGREEMENT


def test_controls_come_first_and_are_those_of_the_same_batch() -> None:
    arms = [arm for arm, _, _ in arms_of(SETTINGS)]
    assert arms[:3] == ["neutral-4", "plain-4", "ours-4"]
    right = dict.fromkeys(BARE, 1.0)
    after = {"neutral-4": right, "ours-4": right, "ours-32": right, "neutral-32": BARE}
    rows = {
        row.arm: row for row in rows_of(NoiseFindings(settings=SETTINGS, bare=BARE, after=after))
    }
    small, large = rows["ours-4"].beyond, rows["ours-32"].beyond
    assert small is not None
    assert large is not None
    assert (small.value, large.value) == (0.0, 75.0)
    assert rows["neutral-4"].beyond is None
    assert rows["plain-4"].note == "not run yet"


def test_a_curve_runs_over_the_batches_that_were_measured() -> None:
    after = {"ours-4": BARE, "ours-32": dict.fromkeys(BARE, 1.0), "plain-32": BARE}
    curves = {
        curve.arm: [(point.step, point.figure.value) for point in curve.points]
        for curve in curves_of(NoiseFindings(settings=SETTINGS, bare=BARE, after=after))
    }
    assert curves == {"ours": [(4, 25.0), (32, 100.0)], "plain": [(32, 25.0)]}


def test_an_arm_that_learned_nothing_says_so() -> None:
    found = NoiseFindings(settings=SETTINGS, bare=BARE, reasons={"ours-4": "no step was made"})
    row = next(row for row in rows_of(found) if row.arm == "ours-4")
    assert (row.after, row.note) == (None, "no step was made")


def test_one_explanation_stands_in_three_teacher_contexts() -> None:
    problem = WordProblem(task_id="gsm8k/1", question="1 + 1?", answer=Fraction(2))
    rollout = Rollout(task_id="gsm8k/1", index=0, text="It is 3", prompt_ids=(), token_ids=(5, 6))
    (example,) = examples_of(
        [problem], [rollout], "explained", {"gsm8k/1": "It added wrongly."}, frames=FRAMES
    )
    contexts = (example.feedback, *example.more_feedback)
    assert len({context[-1].content for context in contexts}) == 3
    assert all("It added wrongly." in context[-1].content for context in contexts)
    window = window_of(example, Letters(), 10_000)
    assert window is not None
    assert len(window.teacher_contexts) == 3


@pytest.mark.parametrize("more", [(), ((Message(role="user", content="again"),),)])
def test_an_example_is_read_as_it_was_written(more: tuple[tuple[Message, ...], ...]) -> None:
    problem = WordProblem(task_id="gsm8k/1", question="1 + 1?", answer=Fraction(2))
    rollout = Rollout(task_id="gsm8k/1", index=0, text="It is 3", prompt_ids=(), token_ids=(5, 6))
    (made,) = examples_of([problem], [rollout], "neutral", {})
    example = replace(made, more_feedback=more)
    (line,) = feedback_lines([example])
    assert example_from(json.loads(line)) == example
    assert ("more_feedback" in line) == bool(more)
