"""Experiment 3: word problems with a chain of thought, learned from explanations of own attempts.

Attempts at the training problems, wrong and right ones, each explained; measured on test problems.
GRPO, which stands beside it in the article, samples replies to the same training problems itself.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from lab.article.feedback import NEUTRAL, FeedbackExample, clipped, example_with_note, words
from lab.article.results import ArmRow, paired_row
from lab.article.rollouts import Rollout, RolloutFile, rollout_of
from lab.article.settings import Gsm8kSettings
from lab.gsm8k import WordProblem, word_prompt, word_tasks
from learning.evaluation.run import OnRow, answer, complete, keys_of, silent
from learning.evaluation.samples import SampleKey
from learning.evaluation.task import Generator
from learning.records import (
    Action,
    Evidence,
    EvidenceKind,
    Experience,
    Sampling,
    Tier,
    Trust,
    Verdict,
)

MEASURE = "accuracy"
_ARMS = ("neutral", "explained", "grpo")
_T = TypeVar("_T")


def arms_of(settings: Gsm8kSettings) -> tuple[str, ...]:
    """The arms, checked.

    Raises:
        ValueError: If one is unknown.
    """
    if wrong := [arm for arm in settings.arms if arm not in _ARMS]:
        raise ValueError(f"unknown arms: {', '.join(wrong)}; there are {', '.join(_ARMS)}")
    return settings.arms


def chosen(items: Sequence[_T], count: int, seed: int) -> list[_T]:
    """A random order of the items, cut to `count`: the same for the same seed."""
    return random.Random(seed).sample(list(items), min(count, len(items)))  # noqa: S311


async def attempt_all(
    problems: Sequence[WordProblem],
    generator: Generator,
    file: RolloutFile,
    sampling: Sampling,
    *,
    on_row: OnRow[Rollout] = silent,
) -> list[Rollout]:
    """Complete `file`: one attempt at each problem, with its tokens.

    Raises:
        ModelError: If the model does not answer.
    """
    tasks = {task.id: task for task in word_tasks(problems)}

    async def make(key: SampleKey) -> Rollout:
        return rollout_of(key, *await answer(tasks[key[0]], generator, sampling, key[1]))

    found = await complete(file, keys_of(tasks.values()), make, on_row=on_row)
    return list(found.values())


def asked_of(problem: WordProblem, *, model: str) -> Experience:
    """A problem with its number and without an attempt, for a trainer that samples its own."""
    answer = Evidence(
        kind=EvidenceKind.TEST_FAILURE,
        tier=Tier.HARNESS,
        subject=problem.task_id,
        expected=str(problem.answer),
    )
    return Experience(
        id=problem.task_id,
        session="article",
        created_at=0.0,
        repository="article",
        model=model,
        messages=word_prompt(problem).messages,
        action=Action(text="", model=model, adapter=None),
        verdict=Verdict.UNKNOWN,
        evidence=(answer,),
        targets=(problem.task_id,),
        trust=Trust.JUDGE,
    )


def explanation_prompt(problem: WordProblem, attempt: Rollout) -> str:
    """What a model is asked in order to explain an attempt."""
    return words(
        "article_explain_word",
        question=problem.question,
        attempt=clipped(attempt.text),
        answer=str(problem.answer),
    )


def lessons_of(
    problems: Sequence[WordProblem],
    attempts: Sequence[Rollout],
    arm: str,
    explanations: Mapping[str, str],
) -> list[FeedbackExample]:
    """One lesson per attempt; without an explanation there is none in the arm `explained`."""
    lessons = []
    for problem, attempt in zip(problems, attempts, strict=True):
        explanation = explanations.get(problem.task_id, "")
        if arm == "neutral":
            note = words(NEUTRAL)
        elif explanation:
            note = words("article_explained", explanation=clipped(explanation))
        else:
            continue
        messages = word_prompt(problem).messages
        lessons.append(example_with_note(problem.task_id, messages, attempt.token_ids, note))
    return lessons


def rows_of(
    settings: Gsm8kSettings,
    before: Mapping[str, float],
    after: Mapping[str, Mapping[str, float]],
    reasons: Mapping[str, str],
) -> tuple[ArmRow, ...]:
    """All arms in their order; `reasons` say why one was not run."""
    return tuple(
        replace(
            paired_row(arm, MEASURE, before, after.get(arm, {}), of_tasks=settings.test),
            note=reasons.get(arm, ""),
        )
        for arm in arms_of(settings)
    )
