"""From a finished adapter to what the gates need: which tasks may judge it, and its trial."""

from __future__ import annotations

from collections.abc import Sequence

from agent.events import Notice
from agent.mining.split import held_out
from agent.mining.tasks import RepositoryTask, TaskFile
from agent.rounds.trial.run import TrialResources, expected_s, run_trial
from learning.experience.store import ExperienceStore
from learning.promotion.adapters import AdapterManifest, AdapterStore
from learning.promotion.gate import MIN_CONFIRMING, MIN_HELD_OUT, Trial
from learning.promotion.lineage import made_from

_MINUTE_S = 60


def may_judge(
    known: TaskFile,
    *,
    candidate: str,
    incumbent: str | None,
    adapters: AdapterStore,
    store: ExperienceStore,
) -> Sequence[RepositoryTask]:
    """The held-out tasks that neither system learned anything about, the oldest first.

    Raises:
        AdapterError: If the candidate is missing or damaged.
        StoreError: If the experiences cannot be read.
    """
    ids = made_from(adapters, candidate)
    if incumbent is not None:
        ids |= made_from(adapters, incumbent)
    found = (store.get(id_) for id_ in sorted(ids))
    return held_out(known, [each for each in found if each is not None])


async def measure(
    candidate: AdapterManifest,
    *,
    incumbent: str | None,
    tasks: Sequence[RepositoryTask],
    everything: TaskFile,
    means: TrialResources,
) -> Trial:
    """Run the trial of an adapter on these tasks, saying first how long it will take."""
    plan = means.ledger.plan(candidate.name, incumbent, [task.id for task in tasks])
    wanted = {*plan.held_out, *plan.confirming}
    chosen = [task for task in everything.tasks.values() if task.id in wanted]
    seconds = expected_s(plan, chosen, means)
    enough = len(plan.held_out) >= MIN_HELD_OUT
    means.emit(
        Notice(
            f"{len(plan.held_out)} held-out tasks and {len(plan.confirming)} fresh ones"
            f" ({MIN_HELD_OUT} and {MIN_CONFIRMING} are needed)"
            + (f": at most about {max(1, round(seconds / _MINUTE_S))} min" if enough else "")
        )
    )
    return await run_trial(plan, chosen, means)
