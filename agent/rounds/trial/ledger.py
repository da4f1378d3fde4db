"""Records the tasks that judge each adapter, and those that a decision has already used.

A task that once confirmed a winner is not fresh any more. The record of an adapter outlives the
adapter, so that its tasks are never taken for fresh ones again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from agent.errors import AgentError
from learning.promotion.gate import MIN_CONFIRMING, MIN_HELD_OUT
from learning.promotion.manifest import sync

MOST_HELD_OUT = 40
MOST_CONFIRMING = 30
"""Most confirming tasks: more would detect smaller gains but take a CPU too long."""


class LedgerError(AgentError):
    """The record of earlier trials cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """The tasks of one trial, by id. They do not change once there are enough for a decision."""

    adapter: str
    incumbent: str | None
    held_out: tuple[str, ...]
    confirming: tuple[str, ...]
    looked: bool = False
    """True once the confirming tasks were tried: they are used up then."""

    @property
    def used(self) -> frozenset[str]:
        """The tasks that are not fresh for any adapter after this trial."""
        decided = len(self.held_out) >= MIN_HELD_OUT
        used = self.held_out if decided else ()
        return frozenset((*used, *(self.confirming if self.looked else ())))


class TrialLedger:
    """One small file for each tried adapter."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def plan(
        self,
        adapter: str,
        incumbent: str | None,
        tasks: Sequence[str],
        *,
        there: Collection[str] | None = None,
    ) -> TrialPlan:
        """The tasks for this trial, kept; those of an unfinished trial stay the same.

        A planned task that is not `there` any more gives its place to a fresh one; None: all are.

        `tasks` are the eligible ones, oldest first. Tasks that decisions have used are held-out tasks
        first, fresh ones only fill up; the remaining fresh tasks confirm.

        Raises:
            LedgerError: If an earlier record is damaged.
        """
        records = list(self._records())
        own = next((each for each in records if each.adapter == adapter), None)
        if own is not None and there is not None:
            own = replace(
                own,
                held_out=tuple(task for task in own.held_out if task in there),
                confirming=tuple(task for task in own.confirming if task in there),
            )
        used = frozenset[str]().union(*(each.used for each in records))
        if own is not None and own.incumbent == incumbent:
            if len(own.held_out) >= MIN_HELD_OUT and len(own.confirming) >= MIN_CONFIRMING:
                return own
        else:
            own = None
        plan = _planned(adapter, incumbent, tasks, used, own)
        self.keep(plan)
        return plan

    def look(self, plan: TrialPlan) -> TrialPlan:
        """Note that the confirming tasks are about to be used."""
        looked = replace(plan, looked=True)
        self.keep(looked)
        return looked

    def keep(self, plan: TrialPlan) -> None:
        """Write one record, whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._folder / f".tmp-{plan.adapter}.json"
        temporary.write_text(json.dumps(asdict(plan), indent=1) + "\n", encoding="utf-8")
        sync(temporary)
        temporary.replace(self._folder / f"{plan.adapter}.json")

    def _records(self) -> Iterable[TrialPlan]:
        for path in sorted(self._folder.glob("el-*.json")):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                for name in ("held_out", "confirming"):
                    record[name] = tuple(record[name])
                yield TrialPlan(**record)
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
                raise LedgerError(f"{path} cannot be read ({err}): remove it") from err


def _planned(
    adapter: str,
    incumbent: str | None,
    tasks: Sequence[str],
    used: frozenset[str],
    own: TrialPlan | None,
) -> TrialPlan:
    fresh = [task for task in reversed(tasks) if task not in used]
    held_out = own.held_out if own else ()
    if len(held_out) < MIN_HELD_OUT:
        kept = [task for task in reversed(tasks) if task in used and task not in held_out]
        held_out += tuple(kept)[: MOST_HELD_OUT - len(held_out)]
        others = [task for task in fresh if task not in held_out]
        held_out += tuple(others[: max(0, MIN_HELD_OUT - len(held_out))])
    left = [task for task in fresh if task not in held_out]
    return TrialPlan(
        adapter=adapter,
        incumbent=incumbent,
        held_out=held_out,
        confirming=tuple(left[:MOST_CONFIRMING]),
    )
