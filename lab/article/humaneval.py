"""Experiment 2: HumanEval by Monte-Carlo cross-validation, the same splits for every arm.

The bare model attempts every task once per sample. For each split an arm learns from what was
observed of the attempts at one half, right ones included, and is measured on the other half.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.rounds.trial.program_judge import Judge
from agent.rounds.trial.regression import humaneval_tasks
from lab.article.feedback import NEUTRAL, FeedbackExample, clipped, example_with_note, words
from lab.article.printing import Programs, printed_pairs
from lab.article.results import ArmRow, paired_row
from lab.article.rollouts import Rollout, RolloutFile, rollout_of
from lab.article.settings import HumanEvalSettings
from learning.evaluation.humaneval import Problem
from learning.evaluation.prompting import prompt_for
from learning.evaluation.run import OnRow, answer, complete, keys_of, silent
from learning.evaluation.samples import SampleKey
from learning.evaluation.task import Generator
from learning.records import Sampling

ARMS = ("neutral", "tests", "printed", "explained")
MEASURE = "pass@1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """One split: what is learned from, and what is measured."""

    number: int
    learn: tuple[str, ...]
    measure: tuple[str, ...]


def arms_of(settings: HumanEvalSettings) -> tuple[str, ...]:
    """The arms, checked.

    Raises:
        ValueError: If one is unknown.
    """
    if wrong := [arm for arm in settings.arms if arm not in ARMS]:
        raise ValueError(f"unknown arms: {', '.join(wrong)}; there are {', '.join(ARMS)}")
    return settings.arms


def splits_of(task_ids: Sequence[str], *, count: int, seed: int) -> tuple[Halves, ...]:
    """Random halves of the tasks, the same for the same seed; the odd task is measured."""
    found = []
    for number in range(count):
        order = list(task_ids)
        random.Random(f"{seed}:{number}").shuffle(order)  # noqa: S311 - reproducible order
        half = len(order) // 2
        learn, measure = tuple(sorted(order[:half])), tuple(sorted(order[half:]))
        found.append(Halves(number=number, learn=learn, measure=measure))
    return tuple(found)


async def attempt_all(
    problems: Sequence[Problem],
    generator: Generator,
    judge: Judge,
    programs: Programs,
    file: RolloutFile,
    *,
    sampling: Sampling,
    samples: int,
    on_row: OnRow[Rollout] = silent,
) -> dict[SampleKey, Rollout]:
    """Complete `file`: attempts at every problem, judged, with what they print.

    Raises:
        EvaluationError: If the verdicts cannot be had.
        ModelError: If the model does not answer.
    """
    by_id = {problem.task_id: problem for problem in problems}
    tasks = {task.id: task for task in humaneval_tasks(problems, judge, "chat", judge_raw=False)}

    async def make(key: SampleKey) -> Rollout:
        problem = by_id[key[0]]
        reply, judged = await answer(tasks[key[0]], generator, sampling, key[1])
        pairs, printing_s = await printed_pairs(
            programs, problem.prompt + judged.clean, problem.entry_point, problem.test
        )
        made = rollout_of(key, reply, judged)
        return replace(made, notes={"printed": pairs}, sandbox_s=made.sandbox_s + printing_s)

    return await complete(file, keys_of(tasks.values(), samples), make, on_row=on_row)


def result_words(attempt: Rollout) -> str:
    """The verdict of an attempt in words."""
    return "passed" if attempt.passed else f"failed: {attempt.said}"


def explanation_prompt(problem: Problem, attempt: Rollout) -> str:
    """What a model is asked in order to explain an attempt."""
    return words(
        "article_explain_code",
        problem=problem.prompt.strip(),
        attempt=clipped(attempt.code),
        result=f"The tests {result_words(attempt)}",
    )


def lessons_of(
    problems: Mapping[str, Problem],
    attempts: Sequence[Rollout],
    arm: str,
    explanations: Mapping[str, str],
) -> list[FeedbackExample]:
    """One lesson per attempt of which the arm has something to say."""
    lessons = []
    for attempt in attempts:
        problem = problems[attempt.task_id]
        key = attempt_key(attempt)
        if note := _note(problem, attempt, arm, explanations.get(key, "")):
            messages = prompt_for(problem.prompt, "chat").messages
            lessons.append(example_with_note(key, messages, attempt.token_ids, note))
    return lessons


def attempt_key(attempt: Rollout) -> str:
    """Task and index of an attempt in one word."""
    return f"{attempt.task_id}#{attempt.index}"


def mean_by_task(
    splits: Sequence[Halves], scores: Mapping[tuple[int, str], float]
) -> dict[str, float]:
    """Mean score of each task over the splits in which it was measured.

    The task is the unit of every interval: its scores in several splits are not independent.
    """
    found: defaultdict[str, list[float]] = defaultdict(list)
    for halves in splits:
        for task in halves.measure:
            if (halves.number, task) in scores:
                found[task].append(scores[halves.number, task])
    return {task: sum(values) / len(values) for task, values in found.items()}


def rows_of(
    settings: HumanEvalSettings,
    splits: Sequence[Halves],
    before: Mapping[str, float],
    after: Mapping[str, Mapping[tuple[int, str], float]],
    reasons: Mapping[str, str],
) -> tuple[ArmRow, ...]:
    """All arms in their order; `reasons` say why one was not run."""
    of_tasks = len({task for halves in splits for task in halves.measure})
    rows = []
    for arm in arms_of(settings):
        means = mean_by_task(splits, after.get(arm, {}))
        done = len({number for number, _ in after.get(arm, {})})
        note = reasons.get(arm, "") or f"{done} of {len(splits)} splits"
        rows.append(paired_row(arm, MEASURE, before, means, of_tasks=of_tasks, note=note))
    return tuple(rows)


def _note(problem: Problem, attempt: Rollout, arm: str, explanation: str) -> str:
    match arm:
        case "neutral":
            return words(NEUTRAL)
        case "tests":
            tests = clipped("\n".join(_assertions(problem.test)))
            return words("article_tests", tests=tests, result=result_words(attempt))
        case "printed":
            pairs = attempt.notes.get("printed", "")
            return words("article_printed", pairs=clipped(pairs)) if pairs else ""
        case _:
            return (
                words("article_explained", explanation=clipped(explanation)) if explanation else ""
            )


def _assertions(test: str) -> list[str]:
    return [line.strip() for line in test.splitlines() if "candidate(" in line]
