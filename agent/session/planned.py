"""Carries out the steps of a plan, each as a change of its own that the tests judge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from agent.events import Notice, StageStarted, TurnEnding, TurnFinished
from agent.intent.rules import by_rules
from agent.intent.wanted import Wanted
from agent.planner.step import PlanStep
from agent.prompt_files import filled
from agent.session.after import AfterCheck
from agent.session.mending import GoOn
from agent.streaming import Emit


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a plan for a request."""

    text: str
    wanted: Wanted
    facts: str
    """What the model is told besides, in which the whole request is."""
    is_first: bool
    begun: str = ""
    """The beginning of the reply; the model writes the rest."""


CarryOut = Callable[[Step], Awaitable[TurnFinished]]
"""Lets the first model do one step."""


async def do_steps(
    planned: Sequence[PlanStep],
    request: str,
    facts: str,
    *,
    after: AfterCheck,
    carry_out: CarryOut,
    again: GoOn,
    emit: Emit,
) -> TurnFinished:
    """Do one step after the other, until one fails; its own change alone is taken back then.

    Raises:
        ModelError: If the model gives no answer.
        WorkspaceError: If a state of the files cannot be recorded.
    """
    count = len(planned)
    for number, each in enumerate(planned, start=1):
        if each.is_done(await after.change.sources()):
            continue
        emit(StageStarted(f"step {number} of {count}"))
        whole = filled("plan_step", number=str(number), count=str(count), request=request)
        step = Step(
            text=each.text,
            wanted=_kind(each),
            facts=f"{facts}\n\n{whole}".strip(),
            is_first=number == 1,
            begun=each.begun,
        )
        if not step.is_first:
            after = after.since(await after.change.snapshot(f"before step {number}"))
        end = await after.checked(partial(carry_out, step), again=again)
        if end is not None and end.ending is not TurnEnding.DONE:
            left = count - number
            more = f"; the {left} behind it were not begun" if left else ""
            emit(Notice(f"Step {number} of {count} was not done: {end.reason}{more}.", "warning"))
            return end
    return TurnFinished("done")


def _kind(step: PlanStep) -> Wanted:
    return Wanted.NEW if not step.begun and by_rules(step.text) is Wanted.NEW else Wanted.EDIT
