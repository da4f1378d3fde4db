"""Library drift with help: a failed reply is followed by retries that are told what an arm knows.

A retry is a fresh prompt: the failed reply is never quoted, since small models repeat it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from string import Template
from types import MappingProxyType
from typing import Literal, Protocol, get_args

from agent.rounds.trial.program_judge import Judge
from lab.drift.tasks import DriftTask, drift_prompt, drift_tasks
from lab.prompt_files import words
from learning.evaluation.prompting import Prompt
from learning.evaluation.run import OnRow, complete, keys_of, sample_of, silent
from learning.evaluation.samples import Sample, SampleFile, SampleKey
from learning.evaluation.task import Generated, Generator, Judged, Task
from learning.evidence.judge import exception_in
from learning.records import Sampling

Arm = Literal["base", "told", "notes", "neutral", "errors", "facts", "both", "hints", "splice"]
ARMS: tuple[Arm, ...] = get_args(Arm)
RETRY_TEMPERATURE = 0.8
"""Temperature of retries where there are several: greedy ones would all be the same."""

Tell = Callable[[Sequence["DriftRollout"]], Awaitable[str]]
"""The note for a retry after failed rollouts, the last one last; if it is empty, none is made."""

OnRollouts = Callable[[DriftTask, Sequence["DriftRollout"]], None]
"""Called with each task and all rollouts at it."""


class Splice(Protocol):
    """Cuts the reply of a failed rollout before what is absent and lets the model go on."""

    async def __call__(
        self, task: Task, failed: DriftRollout, sampling: Sampling
    ) -> tuple[DriftRollout, str] | None:
        """The rollout after the last cut and the cuts in words; None where nothing can be cut.

        Raises:
            ModelError: If the model does not answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRollout:
    """One reply to a drift task, with its prompt and its verdicts."""

    prompt: Prompt
    reply: Generated
    judged: Judged
    spliced: bool = False
    """True if the reply was put together by splicing: it has no token ids."""

    @property
    def exception(self) -> tuple[str, str]:
        """Name and message of the exception that the code failed with; both empty without one."""
        return exception_in(self.judged.message)


async def run_drift(
    tasks: Sequence[DriftTask],
    generator: Generator,
    judge: Judge,
    file: SampleFile,
    *,
    tell: Tell | None = None,
    splice: Splice | None = None,
    tries: int = 1,
    samples: int = 1,
    outdated_errors: Mapping[str, str] = MappingProxyType({}),
    notes: Mapping[str, str] = MappingProxyType({}),
    on_row: OnRow[Sample] = silent,
    on_rollouts: OnRollouts = lambda _task, _rollouts: None,
) -> dict[SampleKey, Sample]:
    """Complete `file`: `samples` rows for each task, with retries that are told what `tell` says.

    There are up to `tries` retries, up to the first that passes, each told what all failures before it
    have taught; several are sampled at `RETRY_TEMPERATURE`. With `splice` each failed reply is spliced
    before anything else is tried. `outdated_errors` are the errors of the tasks' outdated idioms, by task;
    `notes` are told before the first attempt, by task.

    Raises:
        EvaluationError: If the verdicts cannot be had, or a reference solution fails here.
        ModelError: If the model does not answer.
    """
    make = drift_maker(
        tasks,
        generator,
        judge,
        file.manifest.sampling,
        tell=tell,
        splice=splice,
        tries=tries,
        outdated_errors=outdated_errors,
        notes=notes,
        on_rollouts=on_rollouts,
    )
    keys = keys_of((task.id for task in tasks), samples)
    return await complete(file.rows, keys, make, on_row=on_row)


def drift_maker(
    tasks: Sequence[DriftTask],
    generator: Generator,
    judge: Judge,
    sampling: Sampling,
    *,
    tell: Tell | None = None,
    splice: Splice | None = None,
    tries: int = 1,
    outdated_errors: Mapping[str, str] = MappingProxyType({}),
    notes: Mapping[str, str] = MappingProxyType({}),
    on_rollouts: OnRollouts = lambda _task, _rollouts: None,
) -> Callable[[SampleKey], Awaitable[Sample]]:
    """A function that makes one row, with its retries; see `run_drift`."""
    by_id = {task.id: task for task in tasks}
    judged = {task.id: task for task in drift_tasks(tasks, judge, outdated_errors, notes=notes)}

    async def make(key: SampleKey) -> Sample:
        task_id, index = key
        own = replace(sampling, seed=sampling.seed + index * (tries + 1))
        rollouts, told = await _retried(
            by_id[task_id],
            judged[task_id],
            generator,
            sampling=own,
            tell=tell,
            splice=splice,
            tries=tries,
        )
        on_rollouts(by_id[task_id], rollouts)
        return _summed(sample_of(key, rollouts[-1].reply, rollouts[-1].judged), rollouts, told)

    return make


async def _retried(
    drift_task: DriftTask,
    task: Task,
    generator: Generator,
    *,
    sampling: Sampling,
    tell: Tell | None,
    splice: Splice | None,
    tries: int,
) -> tuple[list[DriftRollout], str]:
    """Rollouts until one passes, and the note that the last retry was told, the cuts before it."""
    await task.check_reference()

    async def rollout(prompt: Prompt, number: int) -> DriftRollout:
        reply = await generator.generate(prompt, _sampling_of(sampling, number, tries))
        return DriftRollout(prompt=prompt, reply=reply, judged=await task.judge(reply))

    rollouts: list[DriftRollout] = []
    cuts = told = ""

    async def attempt(prompt: Prompt, number: int) -> None:
        nonlocal cuts
        rollouts.append(await rollout(prompt, number))
        if splice is None or rollouts[-1].judged.passed:
            return
        if found := await splice(task, rollouts[-1], _sampling_of(sampling, number, tries)):
            rollouts.append(found[0])
            cuts += found[1]

    await attempt(task.prompt, 0)
    for number in range(1, tries + 1):
        if tell is None or rollouts[-1].judged.passed or not (note := await tell(rollouts)):
            break
        await attempt(drift_prompt(drift_task, note=note), number)
        told = note
    return rollouts, cuts + told


def _sampling_of(own: Sampling, number: int, tries: int) -> Sampling:
    """Sampling of a rollout: the first one and a single retry are drawn as the manifest says."""
    seeded = replace(own, seed=own.seed + number)
    return replace(seeded, temperature=RETRY_TEMPERATURE) if number and tries > 1 else seeded


def _summed(last: Sample, rollouts: Sequence[DriftRollout], told: str) -> Sample:
    """The row of the last rollout, with what all of them cost."""
    return replace(
        last,
        prompt_tokens=sum(each.reply.prompt_tokens for each in rollouts),
        completion_tokens=sum(each.reply.completion_tokens for each in rollouts),
        generation_s=sum(each.reply.duration_s for each in rollouts),
        sandbox_s=sum(each.judged.sandbox_s for each in rollouts),
        attempts=len(rollouts),
        told=told,
    )


async def tell_neutral(_failed: Sequence[DriftRollout]) -> str:
    """The arm `neutral`: only that this is a retry, so that help and a second try can be told apart."""
    return words("drift_neutral")


async def tell_error(failed: Sequence[DriftRollout]) -> str:
    """The arm `errors`: the last error line as it is."""
    error = failed[-1].judged.message
    return Template(words("drift_error")).substitute(error=error) if error else ""


def tell_facts(ask: Callable[[DriftRollout], Awaitable[Sequence[str]]]) -> Tell:
    """The arm `facts`: the answers of the installed library when it is asked about the failures."""

    async def tell(failed: Sequence[DriftRollout]) -> str:
        facts = dict.fromkeys([fact for rollout in failed for fact in await ask(rollout)])
        return Template(words("drift_facts")).substitute(facts="\n".join(facts)) if facts else ""

    return tell


def tell_both(first: Tell, second: Tell) -> Tell:
    """The arm `both`: the error and the facts, which is what the fix loop is told."""

    async def tell(failed: Sequence[DriftRollout]) -> str:
        return "".join([await first(failed), await second(failed)])

    return tell


def tell_hints(find: Callable[[DriftRollout], str]) -> Tell:
    """The arm `hints`: earlier verified repairs of failures like this one, as text."""

    async def tell(failed: Sequence[DriftRollout]) -> str:
        hints = find(failed[-1])
        return Template(words("drift_hints")).substitute(hints=hints) if hints else ""

    return tell
