"""The loop of every evaluation: find the missing rows; generate, judge, append and report each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from learning.evaluation.rows import Key, Row, RowFile
from learning.evaluation.samples import Sample, SampleFile, SampleKey
from learning.evaluation.task import Generated, Generator, Judged, Task
from learning.records import Sampling

_Row = TypeVar("_Row")

OnRow = Callable[[_Row, int, int], None]
"""Called with each finished row, the number of wanted rows that are done, and that of all."""


def silent(_row: object, _done: int, _total: int) -> None:
    """Report nothing."""


async def complete(
    file: RowFile[Key, Row],
    wanted: Iterable[Key],
    make: Callable[[Key], Awaitable[Row]],
    *,
    on_row: OnRow[Row] = silent,
) -> dict[Key, Row]:
    """Make the wanted rows that the file lacks, each on the disk before the next; return all wanted."""

    async def one(keys: Sequence[Key]) -> list[Row]:
        return [await make(key) for key in keys]

    return await complete_in_batches(file, wanted, one, at_once=1, on_row=on_row)


async def complete_in_batches(
    file: RowFile[Key, Row],
    wanted: Iterable[Key],
    make: Callable[[Sequence[Key]], Awaitable[Sequence[Row]]],
    *,
    at_once: int,
    on_row: OnRow[Row] = silent,
) -> dict[Key, Row]:
    """Do the same as `complete`, several rows at a time; `make` returns them in the order of its keys."""
    found = file.read()
    order = list(dict.fromkeys(wanted))
    missing = [key for key in order if key not in found]
    done = len(order) - len(missing)
    for start in range(0, len(missing), at_once):
        keys = missing[start : start + at_once]
        rows = dict(zip(keys, await make(keys), strict=True))
        file.append(rows)
        found |= rows
        for row in rows.values():
            done += 1
            on_row(row, done, len(order))
        await asyncio.sleep(0)  # lets an interruption in, even where `make` never waits
    return {key: found[key] for key in order}


async def answer_all(
    tasks: Sequence[Task],
    generator: Generator,
    file: SampleFile,
    *,
    samples: int = 1,
    on_row: OnRow[Sample] = silent,
) -> dict[SampleKey, Sample]:
    """Complete `file`: `samples` replies to each task, all of the first task first.

    Raises:
        AgentError, LearningError: If the model does not answer, or a verdict cannot be had.
    """
    by_id = {task.id: task for task in tasks}

    async def make(key: SampleKey) -> Sample:
        reply, judged = await answer(by_id[key[0]], generator, file.manifest.sampling, key[1])
        return sample_of(key, reply, judged)

    return await complete(file.rows, keys_of(tasks, samples), make, on_row=on_row)


async def answer(
    task: Task, generator: Generator, sampling: Sampling, index: int
) -> tuple[Generated, Judged]:
    """One reply with its verdicts; the index is added to the seed."""
    await task.check_reference()
    seeded = replace(sampling, seed=sampling.seed + index)
    reply = await generator.generate(task.prompt, seeded)
    return reply, await task.judge(reply)


def keys_of(tasks: Iterable[Task], samples: int = 1) -> list[SampleKey]:
    """The keys of `samples` replies to each task, all of the first task first."""
    return [(task.id, index) for task in tasks for index in range(samples)]


def sample_of(key: SampleKey, reply: Generated, judged: Judged) -> Sample:
    """A reply with its verdicts as a row of results."""
    task_id, index = key
    return Sample(
        task_id=task_id,
        index=index,
        reply=reply.text,
        raw=judged.raw,
        sanitised=judged.clean,
        raw_verdict=judged.raw_verdict,
        sanitised_verdict=judged.verdict,
        message=judged.message,
        finish=reply.finish,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        generation_s=reply.duration_s,
        sandbox_s=judged.sandbox_s,
        stale=judged.stale,
    )
