"""Experiment 2: HumanEval by Monte-Carlo cross-validation, the same splits for every arm.

The bare model has one rollout of every task per sample. For each split an arm learns from rollouts of
one half, passing ones included, and is measured on the other half.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.rounds.trial.program_judge import Judge
from agent.rounds.trial.regression import humaneval_tasks
from lab.article.experiment import NO_EXPLAINER, ExperimentRun, TaskSource
from lab.article.printing import Programs, printed_pairs
from lab.article.results import CONTROL, ArmRow, ExperimentResult, paired_row
from lab.article.settings import HumanEvalSettings
from lab.prompt_files import filled
from lab.rows.rollouts import Observe, Rollout
from lab.training.feedback import NEUTRAL, FeedbackExample, clipped, example_with_note
from learning.evaluation.humaneval import Problem
from learning.evaluation.prompting import prompt_for

MEASURE = "pass@1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """One split: the tasks to learn from, and the tasks to measure."""

    number: int
    learn: tuple[str, ...]
    measure: tuple[str, ...]


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


def printing(programs: Programs, problems: Mapping[str, Problem]) -> Observe:
    """Adds to a rollout the values that its function returns for the inputs of the tests."""

    async def observe(rollout: Rollout) -> Rollout:
        problem = problems[rollout.task_id]
        pairs, seconds = await printed_pairs(
            programs, problem.prompt + rollout.code, problem.entry_point, problem.test
        )
        return replace(rollout, notes={"printed": pairs}, sandbox_s=rollout.sandbox_s + seconds)

    return observe


async def run_humaneval(
    run: ExperimentRun,
    settings: HumanEvalSettings,
    problems: Mapping[str, Problem],
    source: TaskSource,
    *,
    judge: Judge,
    programs: Programs,
) -> ExperimentResult:
    """Make everything that is missing; the result so far is saved after each arm of each split."""
    splits = splits_of(list(problems), count=settings.splits, seed=settings.seed)
    run.begin(rows_of(settings, splits, {}, {}, {}))
    rollouts = await run.rollouts(
        humaneval_tasks(list(problems.values()), judge, "chat", judge_raw=False),
        *(source, settings),
        samples=settings.samples,
        observe=printing(programs, problems),
    )
    explained = await run.explanations(
        {rollout_key(each): explanation_prompt(problems[each.task_id], each) for each in rollouts}
    )
    reasons = {} if explained else {"explained": NO_EXPLAINER}
    after: dict[str, dict[tuple[int, str], float]] = {}

    def rows() -> tuple[ArmRow, ...]:
        return rows_of(settings, splits, pass_shares(rollouts), after, reasons)

    for halves in splits:
        own = [each for each in rollouts if each.task_id in halves.learn]
        tasks = humaneval_tasks([problems[id_] for id_ in halves.measure], judge, "chat")
        for arm in settings.arms:
            if arm in reasons:
                continue
            name = f"{arm}-{halves.number}"
            examples = examples_of(problems, own, arm, explained)
            made = await run.learn(
                *(name, examples, settings.learning), seed=settings.seed + halves.number
            )
            means = await run.measure(
                *(name, made, tasks, source, settings), arm=arm, samples=settings.samples
            )
            scores = {(halves.number, task): score for task, score in means.items()}
            after.setdefault(arm, {}).update(scores)
            run.save(rows())
    return run.save(rows())


def pass_shares(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Share of passing rollouts of each task."""
    found: defaultdict[str, list[bool]] = defaultdict(list)
    for rollout in rollouts:
        found[rollout.task_id].append(rollout.passed)
    return {task: sum(passed) / len(passed) for task, passed in found.items()}


def result_words(rollout: Rollout) -> str:
    """The verdict of a rollout in words."""
    return "passed" if rollout.passed else f"failed: {rollout.said}"


def explanation_prompt(problem: Problem, rollout: Rollout) -> str:
    """The request to a model to explain a rollout."""
    return filled(
        "article_explain_code",
        problem=problem.prompt.strip(),
        attempt=clipped(rollout.code),
        result=f"The tests {result_words(rollout)}",
    )


def examples_of(
    problems: Mapping[str, Problem],
    rollouts: Sequence[Rollout],
    arm: str,
    explanations: Mapping[str, str],
) -> list[FeedbackExample]:
    """An example per rollout for which the arm has a note."""
    examples = []
    for rollout in rollouts:
        problem = problems[rollout.task_id]
        key = rollout_key(rollout)
        if note := _note(problem, rollout, arm, explanations.get(key, "")):
            messages = prompt_for(problem.prompt, "chat").messages
            examples.append(example_with_note(key, messages, rollout.token_ids, note))
    return examples


def rollout_key(rollout: Rollout) -> str:
    """Task and index of a rollout in one word."""
    return f"{rollout.task_id}#{rollout.index}"


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
    control = after.get(CONTROL, {})
    rows = []
    for arm in settings.arms:
        scores = after.get(arm, {})
        shared = {key: score for key, score in control.items() if key in scores}
        done = len({number for number, _ in scores})
        rows.append(
            paired_row(
                *(arm, MEASURE, before, mean_by_task(splits, scores)),
                of_tasks=of_tasks,
                control=mean_by_task(splits, shared),
                note=reasons.get(arm, "") or f"{done} of {len(splits)} splits",
            )
        )
    return tuple(rows)


def _note(problem: Problem, rollout: Rollout, arm: str, explanation: str) -> str:
    match arm:
        case "neutral":
            return filled(NEUTRAL)
        case "tests":
            tests = clipped("\n".join(_assertions(problem.test)))
            return filled("article_tests", tests=tests, result=result_words(rollout))
        case "printed":
            pairs = rollout.notes.get("printed", "")
            return filled("article_printed", pairs=clipped(pairs)) if pairs else ""
        case _:
            return (
                filled("article_explained", explanation=clipped(explanation)) if explanation else ""
            )


def _assertions(test: str) -> list[str]:
    return [line.strip() for line in test.splitlines() if "candidate(" in line]
