"""The loop of every evaluation: find the missing rows; generate, judge, append and report each."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
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
    at_once: int = 1,
    on_row: OnRow[Row] = silent,
) -> dict[Key, Row]:
    """Make the wanted rows that the file lacks, each on the disk as soon as it is made; return all wanted.

    Up to `at_once` are in the making; no more are begun before one of them is on the disk. After a failure
    or a cancellation, rows that were made are kept and the others are given up.
    """

    def made(missing: Sequence[Key]) -> AsyncGenerator[dict[Key, Row], None]:
        return _made(missing, make, at_once)

    return await _completed(file, wanted, made, on_row)


async def _completed(
    file: RowFile[Key, Row],
    wanted: Iterable[Key],
    made: Callable[[Sequence[Key]], AsyncGenerator[dict[Key, Row], None]],
    on_row: OnRow[Row],
) -> dict[Key, Row]:
    """Append and tell what `made` gives for the rows that the file lacks; return all wanted."""
    found = file.read()
    order = list(dict.fromkeys(wanted))
    missing = [key for key in order if key not in found]
    done = len(order) - len(missing)
    async with aclosing(made(missing)) as finished:
        async for rows in finished:
            file.append(rows)
            found |= rows
            for row in rows.values():
                done += 1
                on_row(row, done, len(order))
            await asyncio.sleep(0)  # lets an interruption in, even where `make` never waits
    return {key: found[key] for key in order}


async def _made(
    keys: Iterable[Key], make: Callable[[Key], Awaitable[Row]], at_once: int
) -> AsyncGenerator[dict[Key, Row], None]:
    """Rows as they are finished, usually one; what failed is raised after those that did not."""
    waiting = iter(keys)
    running: dict[asyncio.Future[Row], Key] = {}
    try:
        while True:
            for key in itertools.islice(waiting, at_once - len(running)):
                running[asyncio.ensure_future(make(key))] = key
            if not running:
                return
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            keys_of_ended = {future: running.pop(future) for future in ended}
            failed = [future for future in ended if future.cancelled() or future.exception()]
            if rows := {
                key: future.result()
                for future, key in keys_of_ended.items()
                if future not in failed
            }:
                yield rows
            for future in failed:
                future.result()
    finally:
        for future in running:
            future.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def complete_in_batches(
    file: RowFile[Key, Row],
    wanted: Iterable[Key],
    make: Callable[[Sequence[Key]], Awaitable[Sequence[Row]]],
    *,
    at_once: int,
    on_row: OnRow[Row] = silent,
) -> dict[Key, Row]:
    """Do the same as `complete`, batch by batch; `make` returns the rows in the order of its keys."""

    async def made(missing: Sequence[Key]) -> AsyncGenerator[dict[Key, Row], None]:
        for start in range(0, len(missing), at_once):
            keys = missing[start : start + at_once]
            yield dict(zip(keys, await make(keys), strict=True))

    return await _completed(file, wanted, made, on_row)


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
    make = sample_maker(tasks, generator, file.manifest.sampling)
    return await complete(
        file.rows, keys_of((task.id for task in tasks), samples), make, on_row=on_row
    )


def sample_maker(
    tasks: Iterable[Task], generator: Generator, sampling: Sampling
) -> Callable[[SampleKey], Awaitable[Sample]]:
    """A function that makes one row: the reply to a task, with its verdicts."""
    by_id = {task.id: task for task in tasks}

    async def make(key: SampleKey) -> Sample:
        reply, judged = await answer(by_id[key[0]], generator, sampling, key[1])
        return sample_of(key, reply, judged)

    return make


async def answer(
    task: Task, generator: Generator, sampling: Sampling, index: int
) -> tuple[Generated, Judged]:
    """One reply with its verdicts; the index is added to the seed."""
    await task.check_reference()
    seeded = replace(sampling, seed=sampling.seed + index)
    reply = await generator.generate(task.prompt, seeded)
    return reply, await task.judge(reply)


def keys_of(task_ids: Iterable[str], samples: int = 1) -> list[SampleKey]:
    """The keys of `samples` replies to each task, all of the first task first."""
    return [(task_id, index) for task_id in task_ids for index in range(samples)]


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
