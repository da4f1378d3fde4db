"""One learning round: choose what to learn, run the worker, take its adapter in, decide."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from agent.errors import AgentError
from agent.events import Event, LearnFinished, Notice, StageStarted
from agent.learn_plan import LearnOptions, batches, may_read, what_is_learned, what_it_costs
from agent.learner_jobs import LearnError, only_one_round, stale
from agent.learner_process import LearnerFailedError, LearnerSwitch, run_worker
from agent.streaming import Emit, stream_events
from agent.trial.settling import settle, watch
from agent.yields import YieldRow, append_yield
from learning.errors import LearningError
from learning.experience.store import ExperienceStore
from learning.model.catalog import InstalledModel
from learning.promotion.adapters import AdapterError, AdapterManifest, AdapterStore
from learning.promotion.capability import known_capabilities
from learning.promotion.gate import NO_TRIAL, Trial
from learning.promotion.likelihood import unseen_in_words
from learning.promotion.lineage import Rebuild, made_from, rebuild
from learning.promotion.manifest import adapter_prefix
from learning.records import Experience
from learning.training.job import (
    Job,
    TrainingError,
    read_result,
    write_job,
)
from learning.training.resources import available_bytes, check_memory
from learning.training.selection import Selection, select
from sandbox.contract import SandboxError

__all__ = ["CannotTrainError", "LearnError", "LearnOptions", "learn"]


_DEFAULT = LearnOptions()


class CannotTrainError(LearnError):
    """This model cannot be trained on this machine as it is."""


Measure = Callable[[AdapterManifest, Emit], Awaitable[Trial]]
"""Tries a new adapter against what is in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """What a round works on."""

    store: ExperienceStore
    adapters: AdapterStore
    model: InstalledModel
    hf_folder: Path
    repository: str
    jobs: Path
    options: LearnOptions
    emit: Emit
    measure: Measure | None = None


def learn(
    *,
    store: ExperienceStore,
    adapters: AdapterStore,
    model: InstalledModel,
    repository: str,
    jobs: Path,
    options: LearnOptions = _DEFAULT,
    measure: Measure | None = None,
    switch: LearnerSwitch | None = None,
    environ: Mapping[str, str] = MappingProxyType({}),
    python: str = sys.executable,
    clock: Callable[[], float] = time.time,
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex[:12],
) -> AsyncIterator[Event]:
    """Run one round; the last event is `LearnFinished`.

    `measure` is called once the worker has ended and its memory is free; without it the adapter
    stays in shadow. `switch` pauses the worker from outside.
    Closing the iterator or cancelling the task ends the worker at once. What it has done is kept:
    the next call finishes that round.

    Raises:
        CannotTrainError: If the model cannot be trained on this machine.
        LearnError: If another round is running, or the worker failed.
        StoreError: If the experiences cannot be read.
        CapabilityError: If what was measured of the model cannot be read.
        AdapterError: If the finished adapter cannot be taken in.
    """

    async def work(emit: Emit) -> None:
        if model.hf is None:
            raise CannotTrainError(
                f"{model.name} cannot be trained: only its GGUF file is here."
                f" Fetch it with `elagent models pull {model.name}`"
            )
        this = _Round(
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
            adapters.sweep()
            await asyncio.to_thread(watch, store, adapters, model=model.name, emit=emit)
            folder = await asyncio.to_thread(_chosen, this, id_=new_id(), now=clock())
            if folder is not None:
                await _train(folder, emit, environ=environ, python=python, switch=switch)
                await _take_in(this, folder, now=clock())

    return stream_events(work)


def _chosen(this: _Round, *, id_: str, now: float) -> Path | None:
    """The folder of the job to work on; reads every experience, which takes its time."""
    return _unfinished_job(this) or _new_round(this, id_=id_, now=now)


def _unfinished_job(this: _Round) -> Path | None:
    """An interrupted round to go on with; those that cannot be are thrown away, with a word."""
    if this.options.dry_run:
        return None
    for folder in sorted(path for path in this.jobs.iterdir() if path.is_dir()):
        reason = (
            "as you asked"
            if this.options.discard
            else stale(folder, model=this.model, forgotten=this.store.forgotten())
        )
        if not reason:
            this.emit(Notice("an earlier round was interrupted: going on from its last step"))
            return folder
        shutil.rmtree(folder)
        this.emit(Notice(f"an interrupted round was thrown away: {reason}"))
    return None


def _new_round(this: _Round, *, id_: str, now: float) -> Path | None:
    """The folder of a new job; None if nothing is to be trained now."""
    capabilities = known_capabilities(this.jobs, this.model.identity)
    again = _rebuild(this)
    experiences = _candidates(this, again)
    selection = select(
        experiences,
        model=this.model.name,
        max_examples=len(experiences) if again else this.options.max_examples,
        kinds=this.options.kinds,
        reads=lambda kind: may_read(this.options, capabilities[kind]),
    )
    for notice in what_is_learned(selection, capabilities, this.options):
        this.emit(notice)
    parent, refused = _parent(this, again)
    if finished := _nothing_to_do(this, selection, parent):
        this.emit(finished)
        return None
    if this.options.dry_run:
        this.emit(what_it_costs(selection, this.options, this.hf_folder))
        return None
    try:
        check_memory(this.hf_folder, available_bytes=available_bytes())
    except TrainingError as err:
        raise CannotTrainError(str(err)) from err
    if refused:
        this.emit(Notice(f"starting from the bare base model: {refused}", level="warning"))
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
    learned = made_from(this.adapters, parent.name) if parent else frozenset()
    write_job(
        folder,
        _job(this, selection, parent, id_=id_, now=now),
        selection.examples,
        unseen=[fix for fix in selection.unseen if learned.isdisjoint(fix.experience_ids)],
    )
    return folder


def _nothing_to_do(
    this: _Round, selection: Selection, parent: AdapterManifest | None
) -> LearnFinished | None:
    reason = ""
    if not selection.examples:
        reason = "nothing to learn: no failure or verified fix of this model is stored here"
    for done in this.adapters.list():
        same = set(done.selected_ids) == set(selection.experience_ids)
        if same and done.base == this.model.identity and done.parent == (parent and parent.name):
            reason = f"nothing new to learn: {done.name} was made from the same experiences"
            if done.decision.get("kind") == "shadow":
                reason += f"; `elagent adapters try {done.name}` goes on with its trial"
    return _nothing(reason) if reason else None


def _candidates(this: _Round, again: Rebuild | None) -> Sequence[Experience]:
    """What may be learned from, the newest first, and first what a named parent has not seen."""
    experiences = this.store.list()
    if again is not None:
        return [each for each in experiences if each.id in again.experience_ids]
    parent = this.options.parent
    seen = made_from(this.adapters, parent) if parent else frozenset()
    return sorted(experiences, key=lambda each: each.id in seen)


def _rebuild(this: _Round) -> Rebuild | None:
    name = this.options.rebuild
    return None if name is None else rebuild(this.adapters, name, this.store.forgotten())


def _parent(this: _Round, again: Rebuild | None) -> tuple[AdapterManifest | None, str]:
    """The adapter that the round starts from, if it can; else why not."""
    try:
        if again is not None:
            parent = None if again.parent is None else this.adapters.get(again.parent)
        elif this.options.parent is not None:
            parent = this.adapters.get(this.options.parent)
        else:
            parent = this.adapters.active()
        if parent is not None:
            this.adapters.verify(parent.name, base=this.model.identity)
    except AdapterError as err:
        return None, str(err)
    return parent, ""


def _job(
    this: _Round,
    selection: Selection,
    parent: AdapterManifest | None,
    *,
    id_: str,
    now: float,
) -> Job:
    options = this.options
    batch, steps = batches(len(selection.examples), options.steps)
    return Job(
        id=id_,
        model=this.model.name,
        model_folder=str(this.hf_folder),
        base=this.model.identity,
        adapter_prefix=adapter_prefix(this.repository, this.adapters.next_version()),
        created_at=now,
        parent=parent.name if parent else None,
        parent_folder=str(this.adapters.path(parent.name)) if parent else None,
        seed=options.seed,
        steps=steps,
        batch=batch,
        learning_rate=options.learning_rate,
        rank=options.rank,
        alpha=2 * options.rank,
        max_tokens=options.max_tokens,
        budget_s=options.budget_s,
    )


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


async def _take_in(this: _Round, folder: Path, *, now: float) -> None:
    """Move the adapter among the others, decide, and remove the job with its copies of text."""
    result = read_result(folder)
    if result is None:
        raise LearnError("the learner ended without a result: run `elagent learn` again")
    for reason, count in result.skipped.items():
        this.emit(Notice(f"left out: {count} {reason}"))
    if result.adapter is None:
        shutil.rmtree(folder)
        reason = "nothing to learn: no stored example could be used token by token"
        this.emit(_nothing(reason))
        return
    this.emit(StageStarted("checking the adapter"))
    if (folder / "adapter").exists():
        this.adapters.adopt(folder / "adapter")
    manifest = this.adapters.get(result.adapter)
    shutil.rmtree(folder)
    for name in this.adapters.retain(keep_last=this.options.keep_adapters):
        this.emit(Notice(f"removed the old adapter {name}"))
    if unseen := unseen_in_words(manifest.report):
        this.emit(Notice(unseen))
    trial = await _tried(this, manifest)
    this.emit(settle(this.adapters, manifest, trial, base=this.model.identity, now=now))


async def _tried(this: _Round, manifest: AdapterManifest) -> Trial:
    """What was measured of the adapter; nothing where it cannot be, and then it is said why."""
    if this.measure is None:
        return NO_TRIAL
    try:
        return await this.measure(manifest, this.emit)
    except (AgentError, LearningError, SandboxError) as err:
        text = f"not tried: {err}; `elagent adapters try {manifest.name}` does it later"
        this.emit(Notice(text, "warning"))
        return NO_TRIAL


def _nothing(reason: str) -> LearnFinished:
    return LearnFinished(adapter=None, decision="nothing_to_learn", reason=reason, experiences=0)
