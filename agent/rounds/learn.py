"""Runs a learning round: chooses experiences, trains, adopts the adapter, decides on its use."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from agent.events import Event, LearnFinished, Notice, Progress, StageStarted
from agent.rounds.jobs import LearnError, only_one_round, stale
from agent.rounds.options import LearnOptions
from agent.rounds.planning import (
    LearningRound,
    MakeRows,
    Measure,
    plan_round,
)
from agent.rounds.preview import what_it_costs
from agent.rounds.process import LearnerFailedError, LearnerSwitch, run_worker
from agent.rounds.taking_in import take_in
from agent.rounds.trial.settling import watch
from agent.rounds.yields import YieldRow, append_yield
from agent.streaming import Emit, stream_events
from learning.experience.store import ExperienceStore
from learning.model.catalog import InstalledModel
from learning.model.convert import ConvertError
from learning.model.weights import ensure_weights
from learning.promotion.adapters import AdapterStore
from learning.promotion.lineage import made_from
from learning.training.job import (
    TrainingError,
    read_examples,
    read_job,
    read_result,
    write_job,
)
from learning.training.resources import available_bytes, check_memory

__all__ = ["CannotTrainError", "LearnError", "Measure", "learn"]


_DEFAULT = LearnOptions()


class CannotTrainError(LearnError):
    """This model cannot be trained on this machine as it is."""


def learn(
    *,
    store: ExperienceStore,
    adapters: AdapterStore,
    model: InstalledModel,
    repository: str,
    jobs: Path,
    options: LearnOptions = _DEFAULT,
    measure: Measure | None = None,
    uses: MakeRows | None = None,
    switch: LearnerSwitch | None = None,
    environ: Mapping[str, str] = MappingProxyType({}),
    python: str = sys.executable,
    clock: Callable[[], float] = time.time,
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex[:12],
) -> AsyncIterator[Event]:
    """Run one round; the last event is `LearnFinished`.

    `measure` tries the new adapter; it is called after the worker has ended, when its memory is free.
    Without it the adapter stays in shadow. `uses` makes the rows about library APIs of a new round.
    `switch` pauses the worker from outside.
    Closing the iterator or cancelling the task ends the worker at once. Its finished steps are kept,
    and the next call resumes the round.

    Raises:
        NotInstalledError: If weights are to be unpacked without the packages for it.
        CannotTrainError: If the model cannot be trained on this machine.
        LearnError: If another round is running, or the worker failed.
        StoreError: If the experiences cannot be read.
        CapabilityError: If the stored measurements of the model cannot be read.
        AdapterError: If the finished adapter cannot be taken in.
    """

    async def work(emit: Emit) -> None:
        if model.hf is None:
            raise CannotTrainError(
                f"{model.name} cannot be trained: only its GGUF file is here."
                f" Fetch it with `elagent models pull {model.name}`"
            )
        this = LearningRound(
            store=store,
            adapters=adapters,
            model=model,
            hf_folder=model.hf,
            repository=repository,
            jobs=jobs,
            options=options,
            emit=emit,
            measure=measure,
        )
        with only_one_round(jobs):
            if not options.dry_run:
                adapters.sweep()
                await asyncio.to_thread(watch, store, adapters, model=model.name, emit=emit)
            folder = await _chosen(this, uses, id_=new_id(), now=clock())
            if folder is not None:
                await asyncio.to_thread(_unpacked, model, emit)
                await _train(folder, emit, environ=environ, python=python, switch=switch)
                await take_in(this, folder, now=clock())

    return stream_events(work)


def _unpacked(model: InstalledModel, emit: Emit) -> None:
    """Make the weights that training reads, where the model was only served until now."""
    stage = ""

    def on_progress(text: str, done: int, total: int) -> None:
        nonlocal stage
        if text != stage:
            stage = text
            emit(StageStarted(text))
        if total:
            emit(Progress(done, total, "parts"))

    try:
        ensure_weights(model, on_progress=on_progress)
    except ConvertError as err:
        raise CannotTrainError(str(err)) from err


async def _chosen(
    this: LearningRound, uses: MakeRows | None, *, id_: str, now: float
) -> Path | None:
    """The folder of the job to work on. Slow: every experience is read."""
    folder = await asyncio.to_thread(_unfinished_job, this)
    if folder is None:
        rows = await uses(this.emit) if uses is not None else ()
        return await asyncio.to_thread(_new_round, replace(this, rows=rows), id_=id_, now=now)
    if not this.options.dry_run:
        this.emit(Notice("an earlier round was interrupted: going on from its last step"))
        return folder
    steps = read_job(folder).steps
    this.emit(
        Notice(
            f"an earlier round of at most {steps} steps over {len(read_examples(folder))} examples "
            "was interrupted: it would be resumed first, from its last step; with --discard it "
            "is thrown away"
        )
    )
    return None


def _unfinished_job(this: LearningRound) -> Path | None:
    """The first interrupted job that can be resumed; others are removed, each with a notice."""
    would_be = "would be" if this.options.dry_run else "was"
    for folder in sorted(path for path in this.jobs.iterdir() if path.is_dir()):
        reason = (
            "as you asked"
            if this.options.discard
            else stale(folder, model=this.model, forgotten=this.store.forgotten())
        )
        if not reason:
            return folder
        if not this.options.dry_run:
            shutil.rmtree(folder)
        this.emit(Notice(f"an interrupted round {would_be} thrown away: {reason}"))
    return None


def _new_round(this: LearningRound, *, id_: str, now: float) -> Path | None:
    """The folder of a new job; None for a dry run or if there is nothing to train."""
    plan = plan_round(this, id_=id_, now=now)
    if isinstance(plan, LearnFinished):
        this.emit(plan)
        return None
    selection, job = plan.selection, plan.job
    if this.options.dry_run:
        this.emit(what_it_costs(plan.usable.prepared, job, this.hf_folder))
        return None
    try:
        check_memory(this.hf_folder, available_bytes=available_bytes())
    except TrainingError as err:
        raise CannotTrainError(str(err)) from err
    folder = this.jobs / id_
    account = YieldRow(
        at=now,
        source="sessions",
        model=this.model.name,
        failures=selection.failures,
        pairs=selection.fixed,
        distinct=selection.distinct_fixes,
    )
    append_yield(this.jobs, account)
    learned = made_from(this.adapters, job.parent) if job.parent else frozenset()
    write_job(
        folder,
        job,
        selection.examples,
        unseen=[fix for fix in selection.unseen if learned.isdisjoint(fix.experience_ids)],
    )
    return folder


async def _train(
    folder: Path,
    emit: Emit,
    *,
    environ: Mapping[str, str],
    python: str,
    switch: LearnerSwitch | None,
) -> None:
    if read_result(folder) is not None:  # interrupted between the result and its adoption
        return
    try:
        await run_worker(folder, emit, environ=environ, python=python, switch=switch)
    except LearnerFailedError as err:
        if not err.resumable:
            shutil.rmtree(folder)  # the same examples would fail in the same way
        raise (CannotTrainError if err.environment else LearnError)(str(err)) from err
