"""Plans a learning round before anything is trained; a dry run stops after the plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.events import LearnFinished, Notice
from agent.rounds.options import LearnOptions
from agent.rounds.preview import batches, may_read, what_is_learned
from agent.streaming import Emit
from learning.experience.store import ExperienceStore
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.model.weights import training_folder
from learning.promotion.adapters import AdapterError, AdapterManifest, AdapterStore
from learning.promotion.capability import known_capabilities
from learning.promotion.claims import learned_uses
from learning.promotion.gate import Trial
from learning.promotion.lineage import Rebuild, made_from, rebuild
from learning.promotion.manifest import adapter_prefix
from learning.records import Experience
from learning.training.job import API_KINDS, Example, ExampleKind, TrainingJob
from learning.training.prepare import Usable, prepare_all
from learning.training.resources import available_bytes, pack_tokens
from learning.training.schedule import about_apis
from learning.training.selection import Selection, select

NOTHING_USABLE = "nothing to learn: no stored example could be used token by token"

Measure = Callable[[AdapterManifest, Emit], Awaitable[Trial]]
"""Tries a new adapter against what is in use."""
MakeRows = Callable[[Emit], Awaitable[Sequence[Example]]]
"""Makes the rows about library APIs of a new round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRound:
    """The stores, model and options of one round."""

    store: ExperienceStore
    adapters: AdapterStore
    model: InstalledModel
    hf_folder: Path
    repository: str
    jobs: Path
    options: LearnOptions
    emit: Emit
    measure: Measure | None = None
    rows: Sequence[Example] = ()
    """Rows about library APIs, beside the experiences that the round selects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan:
    """The selected experiences of a round and the training job for them."""

    selection: Selection
    usable: Usable
    """The selected examples as tokens, without those that cannot be used."""
    job: TrainingJob


def plan_round(this: LearningRound, *, id_: str, now: float) -> RoundPlan | LearnFinished:
    """The plan of a new round, or the end of a round that has nothing to learn. Emits notices on it.

    Raises:
        StoreError: If the experiences cannot be read.
        CapabilityError: If the stored measurements of the model cannot be read.
    """
    capabilities = known_capabilities(this.jobs, this.model.identity)
    again = _rebuild(this)
    experiences = _candidates(this, again)
    selection = select(
        experiences,
        model=this.model.name,
        max_examples=len(experiences) if again else this.options.max_examples,
        kinds=this.options.kinds,
        leave_out=this.options.leave_out,
        reads=lambda kind: may_read(this.options, capabilities[kind]),
    )
    selection = _with_rows(selection, this.rows, again)
    for notice in what_is_learned(selection, capabilities, this.options):
        this.emit(notice)
    parent, refused = _parent(this, again)
    if finished := _nothing_to_do(this, selection, parent):
        return finished
    job, usable = _job(this, selection, parent, id_=id_, now=now)
    for reason, count in usable.skipped.items():
        this.emit(
            Notice(
                f"{count} examples skipped: {reason}"
                if count > 1
                else f"1 example skipped: {reason}"
            )
        )
    if not usable.prepared:
        return nothing_to_learn(NOTHING_USABLE)
    if refused:
        this.emit(Notice(f"starting from the bare base model: {refused}", level="warning"))
    return RoundPlan(selection=selection, usable=usable, job=job)


def nothing_to_learn(reason: str) -> LearnFinished:
    """The end of a round that made no adapter."""
    return LearnFinished(adapter=None, decision="nothing_to_learn", reason=reason, experiences=0)


def _nothing_to_do(
    this: LearningRound, selection: Selection, parent: AdapterManifest | None
) -> LearnFinished | None:
    reason = ""
    if not selection.examples:
        reason = "nothing to learn: no failure or verified fix of this model is stored here"
    for done in this.adapters.list():
        same = set(done.selected_ids) == set(selection.experience_ids)
        same = same and _apis(selection) <= _apis(selection, learned_uses([done]))
        if same and done.base == this.model.identity and done.parent == (parent and parent.name):
            reason = f"nothing new to learn: {done.name} was made from the same experiences"
            if done.decision.get("kind") == "shadow":
                reason += f"; `elagent adapters try {done.name}` goes on with its trial"
    return nothing_to_learn(reason) if reason else None


def _with_rows(selection: Selection, rows: Sequence[Example], again: Rebuild | None) -> Selection:
    """The selection with rows about APIs, which stand for the same experiences where they have both."""
    if again is not None:
        kept = again.experience_ids
        rows = [row for row in rows if kept.issuperset(row.experience_ids)]
    steps = {id_ for row in rows if not (row.use and row.use.context) for id_ in row.experience_ids}
    own = [each for each in selection.examples if steps.isdisjoint(each.experience_ids)]
    return dataclasses.replace(selection, examples=(*own, *rows))


def _apis(selection: Selection, learned: Collection[str] | None = None) -> frozenset[str]:
    """The changed APIs of a selection; only those of which a row was learned, if ids of rows are given."""
    return frozenset(
        each.use.api
        for each in selection.examples
        if each.kind is ExampleKind.API_PAIR and each.use is not None
        if learned is None or (each.use.context or each.step.id) in learned
    )


def _candidates(this: LearningRound, again: Rebuild | None) -> Sequence[Experience]:
    """The experiences to choose from, newest first; those that a named parent has not seen lead."""
    experiences = this.store.list()
    if again is not None:
        return [each for each in experiences if each.id in again.experience_ids]
    parent = this.options.parent
    seen = made_from(this.adapters, parent) if parent else frozenset()
    return sorted(experiences, key=lambda each: each.id in seen)


def _rebuild(this: LearningRound) -> Rebuild | None:
    name = this.options.rebuild
    return None if name is None else rebuild(this.adapters, name, this.store.forgotten())


def _parent(this: LearningRound, again: Rebuild | None) -> tuple[AdapterManifest | None, str]:
    """The adapter that the round starts from, or None with the reason why it cannot be used."""
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
    this: LearningRound,
    selection: Selection,
    parent: AdapterManifest | None,
    *,
    id_: str,
    now: float,
) -> tuple[TrainingJob, Usable]:
    """The job and its usable examples, from which the number of steps follows."""
    options = this.options
    job = TrainingJob(
        id=id_,
        model=this.model.name,
        model_folder=str(training_folder(this.model)),
        base=this.model.identity,
        adapter_prefix=adapter_prefix(this.repository, this.adapters.next_version()),
        created_at=now,
        parent=parent.name if parent else None,
        parent_folder=str(this.adapters.path(parent.name)) if parent else None,
        seed=options.seed,
        learning_rate=options.learning_rate,
        rank=options.rank,
        alpha=2 * options.rank,
        layers=options.layers,
        pack_tokens=pack_tokens(this.hf_folder, available_bytes=available_bytes()),
        max_tokens=options.max_tokens,
        budget_s=options.budget_s,
    )
    usable = prepare_all(selection.examples, ChatFormat.load(this.hf_folder), job)
    if any(example.kind in API_KINDS for example in usable.prepared):
        return about_apis(job, usable.prepared, arm=options.api_rule), usable
    batch, steps = batches(len(usable.prepared), options.steps)
    return dataclasses.replace(job, batch=batch, steps=steps), usable
