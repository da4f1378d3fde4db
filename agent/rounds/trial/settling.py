"""Carries out the decision of an adapter's trial, and watches the adapter in use."""

from __future__ import annotations

from agent.events import LearnFinished, Notice
from agent.streaming import Emit
from learning.experience.store import ExperienceStore
from learning.model.catalog import ModelIdentity
from learning.promotion.adapters import AdapterError, AdapterManifest, AdapterStore
from learning.promotion.gate import Trial, as_record, decide, in_words
from learning.promotion.watch import got_worse, live


def settle(
    adapters: AdapterStore,
    candidate: AdapterManifest,
    trial: Trial,
    *,
    base: ModelIdentity,
    now: float,
) -> LearnFinished:
    """Decide, write the decision into the adapter's manifest, and use the adapter if it won.

    Raises:
        AdapterError: If the adapter is damaged or gone.
    """
    decision = decide(trial)
    active = adapters.active()
    record = as_record(decision, incumbent=active.name if active else None, at=now)
    adapters.keep_decision(candidate.name, record)
    if decision.kind == "promoted":
        adapters.activate(candidate.name, base=base)
    return LearnFinished(
        adapter=candidate.name,
        decision=decision.kind,
        reason=decision.reason,
        experiences=len(candidate.experience_ids),
        folder=str(adapters.path(candidate.name)),
        gates=tuple(in_words(decision))[:-1],
    )


def watch(store: ExperienceStore, adapters: AdapterStore, *, model: str, emit: Emit) -> None:
    """Take the adapter out of use if it fails more often than its predecessor did.

    Raises:
        StoreError: If the experiences cannot be read.
    """
    try:
        active = adapters.active()
        known, before = adapters.used_before()
    except AdapterError:
        return  # whoever uses it is told
    if active is None or not known:
        return
    experiences = store.list()
    reason = got_worse(
        live(experiences, model=model, adapter=active.name),
        live(experiences, model=model, adapter=before),
    )
    if reason:
        adapters.rollback()
        text = f"{active.name} was taken out of use: {reason}. {before or 'the base model'} is back"
        emit(Notice(text, level="warning"))
