"""What becomes of an adapter after its trial: the decision is made, written down and carried out."""

from __future__ import annotations

from agent.events import LearnFinished
from learning.model.catalog import ModelIdentity
from learning.promotion.adapters import AdapterManifest, AdapterStore
from learning.promotion.gate import Trial, as_record, decide, in_words


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
