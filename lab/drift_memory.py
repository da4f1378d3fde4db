"""What drift tasks teach: facts asked of the installed libraries, and attempts kept as experiences."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, cast

from agent.advice.environment import Environment
from agent.advice.failure import Failure
from agent.advice.lessons import Lesson, hints_for
from lab.drift import DriftTask
from lab.drift_arms import Attempt
from learning.evidence.judge import judged_evidence
from learning.experience.store import ExperienceStore
from learning.records import (
    Action,
    Experience,
    Sampling,
    Trust,
    Verdict,
)

_FILE = "solution.py"
_UNSENDABLE = re.compile(r"a value of type (\w+) cannot be sent")
_FINISHES = ("stop", "length", "cancelled")


class FactAsker:
    """Asks an environment about failed attempts; remembers what it said, for the records."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    async def __call__(self, attempt: Attempt) -> Sequence[str]:
        """True sentences about the installed libraries that bear on the failure."""
        exception, message = attempt.exception
        failure = Failure(
            exception=exception,
            message=message,
            texts=(attempt.code,),
            project_modules=frozenset({"solution"}),
            output=attempt.error,
        )
        facts = await self._environment.facts(failure)
        return [*foreign_value(attempt.error), *(fact.text for fact in facts)]


def foreign_value(error: str) -> Iterator[str]:
    """The type of a value that the check could not take, which no exception tells."""
    if found := _UNSENDABLE.search(error):
        yield (
            f"The function returned a value of the library's type {found[1]}, not the plain Python"
            " value that its head promises: convert it (arrays and series have .tolist())."
            if found[1] != "coroutine"
            else "The function is async and returned a coroutine: it must be a plain function."
        )


def hint_finder(lessons: Sequence[Lesson]) -> Callable[[Attempt], str]:
    """What earlier repairs say to a failed attempt."""

    def find(attempt: Attempt) -> str:
        return hints_for([attempt.exception], lessons).text

    return find


def keep(
    store: ExperienceStore,
    task: DriftTask,
    attempts: Sequence[Attempt],
    *,
    model: str,
    adapter: str | None,
    sampling: Sampling,
    session: str,
    now: float,
) -> None:
    """Keep the attempts at one task as experiences, a repair pointing at the first attempt.

    That one was told nothing: its prompt is where the repair is to be learned.

    Raises:
        StoreError: If they cannot be written.
    """
    failed: Experience | None = None
    for attempt in attempts:
        experience = Experience(
            id=secrets.token_hex(16),
            session=session,
            created_at=now,
            repository="drift",
            model=model,
            messages=attempt.prompt.messages,
            action=_action(attempt, model=model, adapter=adapter, sampling=sampling),
            verdict=Verdict.PASS if attempt.passed else Verdict.FAIL,
            evidence=()
            if attempt.passed
            else (
                judged_evidence(
                    attempt.error, subject=task.id, file=_FILE, function=task.entry_point
                ),
            ),
            targets=(task.id,),
            path=_FILE,
            before=failed.after if failed else "",
            after=attempt.code,
            fixes=failed.id if failed and attempt.passed else "",
            trust=Trust.JUDGE,
        )
        store.add(experience)
        failed = failed or experience


def _action(attempt: Attempt, *, model: str, adapter: str | None, sampling: Sampling) -> Action:
    generated = attempt.generated
    finish = generated.finish if generated.finish in _FINISHES else "stop"
    return Action(
        text=generated.text,
        model=model,
        adapter=adapter,
        prompt_ids=generated.prompt_ids,
        token_ids=generated.token_ids,
        logprobs=generated.logprobs,
        sampling=sampling,
        finish=cast(Literal["stop", "length", "cancelled"], finish),
    )
