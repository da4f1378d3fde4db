"""One learning round: choose what to learn, run the worker, take its adapter in, decide."""

from __future__ import annotations

import os
import shutil
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from agent.events import Event, LearnFinished, Notice, StageStarted
from agent.learner_jobs import LearnError, only_one_round, stale
from agent.learner_process import LearnerFailedError, run_worker
from agent.streaming import Emit, stream_events
from learning.experience.store import ExperienceStore
from learning.model.catalog import InstalledModel
from learning.promotion.adapters import AdapterError, AdapterManifest, AdapterStore
from learning.promotion.gate import decide
from learning.promotion.manifest import adapter_prefix
from learning.promotion.stats import Paired
from learning.training.job import (
    ExampleKind,
    Job,
    TrainingError,
    read_result,
    write_job,
)
from learning.training.resources import available_bytes, check_memory, estimated_s
from learning.training.selection import Selection, select

__all__ = ["CannotTrainError", "LearnError", "LearnOptions", "learn"]

_MAX_EPOCHS = 2
_KIND_NAMES = {
    ExampleKind.HINDSIGHT: "fixes of failed attempts",
    ExampleKind.EVIDENCE: "failures with what the tools said",
    ExampleKind.FIRST_TRY: "fixes that worked at once",
}


class CannotTrainError(LearnError):
    """This model cannot be trained on this machine as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnOptions:
    """The size of a round."""

    max_examples: int = 8
    steps: int = 8
    """At most this many optimiser steps, one example each, and each example at most twice."""
    max_tokens: int = 512
    learning_rate: float = 1e-4
    rank: int = 16
    seed: int = 0
    budget_s: float | None = None
    keep_adapters: int = 10
    dry_run: bool = False
    """Only say what would be learned and what it would cost; no `LearnFinished` comes."""
    discard: bool = False
    """Throw an interrupted round away instead of finishing it."""


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


def learn(
    *,
    store: ExperienceStore,
    adapters: AdapterStore,
    model: InstalledModel,
    repository: str,
    jobs: Path,
    options: LearnOptions = LearnOptions(),
    environ: Mapping[str, str] = MappingProxyType({}),
    python: str = sys.executable,
    clock: Callable[[], float] = time.time,
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex[:12],
) -> AsyncIterator[Event]:
    """Run one round; the last event is `LearnFinished`.

    Closing the iterator or cancelling the task ends the worker at once. What it has done is kept:
    the next call finishes that round.

    Raises:
        CannotTrainError: If the model cannot be trained on this machine.
        LearnError: If another round is running, or the worker failed.
        StoreError: If the experiences cannot be read.
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
        )
        with only_one_round(jobs):
            adapters.sweep()
            folder = _unfinished_job(this) or _new_round(this, id_=new_id(), now=clock())
            if folder is not None:
                await _train(folder, emit, environ=environ, python=python)
                _take_in(this, folder)

    return stream_events(work)


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
    selection = select(
        this.store.list(), model=this.model.name, max_examples=this.options.max_examples
    )
    _describe(this, selection)
    parent, refused = _parent(this)
    if finished := _nothing_to_do(this, selection, parent):
        this.emit(finished)
        return None
    if this.options.dry_run:
        this.emit(_cost(this, selection))
        return None
    try:
        check_memory(this.hf_folder, available_bytes=available_bytes())
    except TrainingError as err:
        raise CannotTrainError(str(err)) from err
    if refused:
        this.emit(Notice(f"starting from the bare base model: {refused}", level="warning"))
    folder = this.jobs / id_
    write_job(folder, _job(this, selection, parent, id_=id_, now=now), selection.examples)
    return folder


def _describe(this: _Round, selection: Selection) -> None:
    kinds = Counter(example.kind for example in selection.examples)
    for kind, name in _KIND_NAMES.items():
        if kinds[kind]:
            this.emit(Notice(f"to learn: {kinds[kind]} {name}"))
    for reason, count in selection.skipped.items():
        this.emit(Notice(f"left out: {count} {reason}"))


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
    return _nothing(reason) if reason else None


def _cost(this: _Round, selection: Selection) -> Notice:
    limit = this.options.max_tokens
    sizes = [min(limit, example.tokens) for example in selection.examples]
    steps = min(this.options.steps, _MAX_EPOCHS * len(sizes))
    seconds = estimated_s(
        this.hf_folder,
        read=sum(sizes),
        trained=steps * sum(sizes) // len(sizes),
        cores=os.cpu_count() or 1,
    )
    return Notice(
        f"this would take {steps} steps over {len(sizes)} examples of at most {limit} tokens,"
        f" about {max(1, round(seconds / 60))} min on this CPU"
    )


def _parent(this: _Round) -> tuple[AdapterManifest | None, str]:
    """The active adapter, if the round can start from it; else why not."""
    try:
        active = this.adapters.active()
        if active is not None:
            this.adapters.verify(active.name, base=this.model.identity)
    except AdapterError as err:
        return None, str(err)
    return active, ""


def _job(
    this: _Round,
    selection: Selection,
    parent: AdapterManifest | None,
    *,
    id_: str,
    now: float,
) -> Job:
    options = this.options
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
        steps=min(options.steps, _MAX_EPOCHS * len(selection.examples)),
        learning_rate=options.learning_rate,
        rank=options.rank,
        alpha=2 * options.rank,
        max_tokens=options.max_tokens,
        budget_s=options.budget_s,
    )


async def _train(folder: Path, emit: Emit, *, environ: Mapping[str, str], python: str) -> None:
    if read_result(folder) is not None:  # interrupted between the result and its adoption
        return
    try:
        await run_worker(folder, emit, environ=environ, python=python)
    except LearnerFailedError as err:
        if not err.resumable:
            shutil.rmtree(folder)  # the same examples would fail in the same way
        raise (CannotTrainError if err.environment else LearnError)(str(err)) from err


def _take_in(this: _Round, folder: Path) -> None:
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
    decision = decide(Paired(wins=0, losses=0))  # no task is held out yet
    if decision.kind == "promoted":
        this.adapters.activate(manifest.name, base=this.model.identity)
    finished = LearnFinished(
        adapter=manifest.name,
        decision=decision.kind,
        reason=decision.reason,
        experiences=len(manifest.experience_ids),
        folder=str(this.adapters.path(manifest.name)),
    )
    this.emit(finished)


def _nothing(reason: str) -> LearnFinished:
    return LearnFinished(adapter=None, decision="nothing_to_learn", reason=reason, experiences=0)
