"""Library drift: attempts at tasks on the installed releases, and a second try with what an arm knows.

A retry is a fresh prompt: the failed attempt is never quoted, since small models repeat it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

from agent.rounds.trial.judging import Judge, calibrated_limits, judge_all, program_limits
from lab.drift import (
    DriftTask,
    drift_prompt,
    error_note,
    facts_note,
    hints_note,
    is_stale_error,
    neutral_note,
)
from learning.evaluation.local import Generated, Generator
from learning.evaluation.prompting import Prompt
from learning.evaluation.samples import Sample, SampleFile
from learning.evaluation.sanitise import raw_code, sanitised_code
from learning.evidence.judge import exception_in
from learning.records import Sampling
from sandbox.box.status import Status
from sandbox.box.streams import display_safe
from sandbox.warm.judge import CheckTask, JudgeResult

Arm = Literal["base", "neutral", "errors", "facts", "both", "hints"]
ARMS: tuple[Arm, ...] = get_args(Arm)
RETRY_TEMPERATURE = 0.8
"""Where several retries are wanted: greedy ones would all be the same."""
MEMORY_MIB = 4096
"""Address space: the libraries reserve far more than they use."""
_LINE_CHARACTERS = 300
_KNOWN_S = 60.0
_UNUSED = "the code does not use the library that the task asks for"

Tell = Callable[[DriftTask, Sequence["Attempt"]], Awaitable[str]]
"""What a retry is told after failed attempts, the last one last; if it is empty, none is made."""

OnAttempts = Callable[[DriftTask, Sequence["Attempt"]], None]
"""Called with each task and everything that was tried at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One reply to one task, judged."""

    prompt: Prompt
    generated: Generated
    raw: str
    code: str
    raw_status: Status
    status: Status
    error: str
    """Why the code failed, in one line."""
    sandbox_s: float

    @property
    def passed(self) -> bool:
        return self.status is Status.PASS

    @property
    def exception(self) -> tuple[str, str]:
        """Name and message of the exception in `error`; both empty without one."""
        return exception_in(self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What became of one task's own two solutions."""

    task_id: str
    reference: Status
    outdated: Status
    error: str
    """What the outdated idiom is told."""
    reference_note: str

    @property
    def sound(self) -> bool:
        """Whether the task measures what it says: the reference passes, the old idiom fails in words."""
        return (
            self.reference is Status.PASS and self.outdated is not Status.PASS and bool(self.error)
        )


def check_task(task: DriftTask, code: str, *, timeout_s: float) -> CheckTask:
    """What the judge is asked of one solution."""
    return CheckTask(
        source=code,
        entry_point=task.entry_point,
        check=task.check,
        limits=program_limits(timeout_s, memory_mib=MEMORY_MIB),
    )


def known_task(task: DriftTask) -> CheckTask:
    """What the judge is asked of the reference, from which the time limit is taken."""
    return check_task(task, task.reference, timeout_s=_KNOWN_S)


async def verify(judge: Judge, tasks: Sequence[DriftTask], *, timeout_s: float) -> list[Verified]:
    """Run both solutions that come with each task.

    Raises:
        EvaluationError: If the verdicts cannot be had.
    """
    both = [
        check_task(task, code, timeout_s=timeout_s)
        for task in tasks
        for code in (task.reference, task.outdated)
    ]
    results = await judge_all(judge, both)
    return [
        Verified(
            task_id=task.id,
            reference=results[2 * number].status,
            outdated=results[2 * number + 1].status,
            error=one_line(results[2 * number + 1].note),
            reference_note=one_line(results[2 * number].note),
        )
        for number, task in enumerate(tasks)
    ]


async def run_drift(
    tasks: Sequence[DriftTask],
    generator: Generator,
    judge: Judge,
    file: SampleFile,
    *,
    tell: Tell | None = None,
    tries: int = 1,
    samples: int = 1,
    outdated_errors: Mapping[str, str] = MappingProxyType({}),
    on_sample: Callable[[Sample, int, int], None] = lambda _sample, _done, _total: None,
    on_attempts: OnAttempts = lambda _task, _attempts: None,
) -> dict[tuple[str, int], Sample]:
    """Complete `file`: `samples` attempts at each task, and retries that are told what `tell` says.

    There are up to `tries` retries, up to the first that passes, each told what all failures before it
    have taught; of several, all are sampled at
    `RETRY_TEMPERATURE`. `outdated_errors` are the errors of the tasks' outdated idioms, by task.

    Raises:
        EvaluationError: If the verdicts cannot be had, or a reference solution fails here.
        ModelError: If the model does not answer.
    """
    done = file.read()
    wanted = [(task, index) for task in tasks for index in range(samples)]
    for task, index in [(task, index) for task, index in wanted if (task.id, index) not in done]:
        limit_s = (await calibrated_limits(judge, {task.id: known_task(task)}))[task.id]
        given = file.manifest.sampling
        own = replace(given, seed=given.seed + index * (tries + 1))

        async def attempt(
            note: str,
            number: int,
            task: DriftTask = task,
            limit_s: float = limit_s,
            own: Sampling = own,
        ) -> Attempt:
            prompt = drift_prompt(task, note=note)
            generated = await generator.generate(prompt, _sampling_of(own, number, tries))
            return await judged(judge, task, prompt, generated, limit_s)

        attempts, told = [await attempt("", 0)], ""
        while tell is not None and len(attempts) <= tries and not attempts[-1].passed:
            if not (note := await tell(task, attempts)):
                break
            attempts.append(await attempt(note, len(attempts)))
            told = note
        sample = _sample(task, index, attempts, told, outdated_errors.get(task.id, ""))
        file.append([sample])
        on_attempts(task, attempts)
        done[task.id, index] = sample
        on_sample(sample, len(done), len(wanted))
    return {(task.id, index): done[task.id, index] for task, index in wanted}


def _sampling_of(own: Sampling, number: int, tries: int) -> Sampling:
    """How an attempt is drawn: the first and a single retry as the manifest says."""
    seeded = replace(own, seed=own.seed + number)
    return replace(seeded, temperature=RETRY_TEMPERATURE) if number and tries > 1 else seeded


async def judged(
    judge: Judge, task: DriftTask, prompt: Prompt, generated: Generated, timeout_s: float
) -> Attempt:
    """One reply with its verdicts, as it stands and sanitised.

    Raises:
        EvaluationError: If the verdicts cannot be had.
    """
    raw, code = raw_code(generated.text), sanitised_code(generated.text, task.entry_point)
    raw_result, result = await judge_all(
        judge, [check_task(task, item, timeout_s=timeout_s) for item in (raw, code)]
    )
    return Attempt(
        prompt=prompt,
        generated=generated,
        raw=raw,
        code=code,
        raw_status=_status(task, raw, raw_result),
        status=_status(task, code, result),
        error=one_line(result.note) if task.uses_library(code) or result.note else _UNUSED,
        sandbox_s=result.duration_s + (0.0 if raw == code else raw_result.duration_s),
    )


async def tell_neutral(_task: DriftTask, _failed: Sequence[Attempt]) -> str:
    """The arm `neutral`: that there was an attempt, so that help and a second try can be told apart."""
    return neutral_note()


async def tell_error(_task: DriftTask, failed: Sequence[Attempt]) -> str:
    """The arm `errors`: the last error line as it is."""
    return error_note(failed[-1].error) if failed[-1].error else ""


def tell_facts(ask: Callable[[Attempt], Awaitable[Sequence[str]]]) -> Tell:
    """The arm `facts`: what the installed library says when it is asked about the failure."""

    async def tell(_task: DriftTask, failed: Sequence[Attempt]) -> str:
        facts = [fact for attempt in failed for fact in await ask(attempt)]
        return facts_note(tuple(dict.fromkeys(facts))) if facts else ""

    return tell


def tell_both(first: Tell, second: Tell) -> Tell:
    """The arm `both`: the error and the facts, which is what the fix loop is told."""

    async def tell(task: DriftTask, failed: Sequence[Attempt]) -> str:
        return "".join([await first(task, failed), await second(task, failed)])

    return tell


def tell_hints(find: Callable[[Attempt], str]) -> Tell:
    """The arm `hints`: earlier verified repairs of failures like this one, as text."""

    async def tell(_task: DriftTask, failed: Sequence[Attempt]) -> str:
        hints = find(failed[-1])
        return hints_note(hints) if hints else ""

    return tell


def one_line(note: str) -> str:
    """A note as one line; an exception class that only the candidate has keeps its own name."""
    lines = [line.strip() for line in display_safe(note).splitlines() if line.strip()]
    return " ".join(lines).replace("CandidateError: ", "")[:_LINE_CHARACTERS]


def _status(task: DriftTask, code: str, result: JudgeResult) -> Status:
    return result.status if not result.passed or task.uses_library(code) else Status.FAIL


def _sample(
    task: DriftTask, index: int, attempts: Sequence[Attempt], note: str, outdated_error: str
) -> Sample:
    last = attempts[-1]
    return Sample(
        task_id=task.id,
        index=index,
        reply=last.generated.text,
        raw=last.raw,
        sanitised=last.code,
        raw_verdict=last.raw_status.value,
        sanitised_verdict=last.status.value,
        message=last.error,
        finish=last.generated.finish,
        prompt_tokens=sum(item.generated.prompt_tokens for item in attempts),
        completion_tokens=sum(item.generated.completion_tokens for item in attempts),
        generation_s=sum(item.generated.duration_s for item in attempts),
        sandbox_s=sum(item.sandbox_s for item in attempts),
        attempts=len(attempts),
        told=note,
        stale=not last.passed and is_stale_error(last.error, outdated_error),
    )
