"""Turns what the agent did, and what the tests then said, into stored experiences."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Sequence

from agent.events import ExperienceRecorded
from learning.experience.digest import digest
from learning.experience.store import ExperienceStore
from learning.records import (
    Action,
    Evidence,
    EvidenceKind,
    Experience,
    Message,
    Tier,
    Verdict,
)
from sandbox.report import TestResult

_MAX_FIELD = 600
_COMPARISON = re.compile(r"(?:AssertionError: )?assert (.{1,300}?) == (.{1,300})")


def evidence_of(result: TestResult) -> Evidence:
    """What one red test says, as parsed fields: nothing of its raw output."""
    if not result.exception and (parsed := digest(result.detail, subject=result.id)):
        return parsed[-1]
    first_line = result.message.split("\n", 1)[0]
    compared = _COMPARISON.fullmatch(first_line)
    return Evidence(
        kind=EvidenceKind.TEST_FAILURE,
        tier=Tier.HARNESS,
        subject=result.id,
        exception=result.exception,
        message=result.message[:_MAX_FIELD],
        file=result.file,
        line=result.line,
        function=result.frames[-1].function if result.frames else "",
        got=compared[1] if compared else "",
        expected=compared[2] if compared else "",
    )


def _new_id() -> str:
    return uuid.uuid4().hex[:12]


class Recorder:
    """Appends the judged actions of one session to the store, secrets removed.

    A pass is linked, through `fixes`, to the session's first failing action on the same target:
    that action's prompt is the original one, before any later attempt was shown.
    """

    def __init__(
        self,
        store: ExperienceStore,
        *,
        repository: str,
        session: str,
        on_recorded: Callable[[ExperienceRecorded], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = _new_id,
    ) -> None:
        self._store = store
        self._repository = repository
        self._session = session
        self._on_recorded = on_recorded
        self._clock = clock
        self._new_id = new_id
        self._failing: dict[str, str] = {}

    def record(
        self,
        *,
        messages: Sequence[Message],
        action: Action,
        verdict: Verdict,
        evidence: Sequence[Evidence] = (),
        targets: Sequence[str] = (),
        path: str = "",
        before: str = "",
        after: str = "",
    ) -> ExperienceRecorded | None:
        """Keep one action; it is on the disk on return. None while capture is switched off.

        Raises:
            StoreError: If it cannot be written.
        """
        experience = Experience(
            id=self._new_id(),
            session=self._session,
            created_at=self._clock(),
            repository=self._repository,
            model=action.model,
            messages=tuple(messages),
            action=action,
            verdict=verdict,
            evidence=tuple(evidence),
            targets=tuple(targets),
            path=path,
            before=before,
            after=after,
            fixes=self._fixed_by(targets) if verdict is Verdict.PASS else "",
        )
        if not self._store.add(experience):
            return None
        self._remember(experience)
        event = ExperienceRecorded(
            id=experience.id, verdict=verdict.value, subject=", ".join(targets) or path
        )
        self._on_recorded(event)
        return event

    def _fixed_by(self, targets: Sequence[str]) -> str:
        return next((self._failing[target] for target in targets if target in self._failing), "")

    def _remember(self, experience: Experience) -> None:
        for target in experience.targets:
            if experience.verdict is Verdict.FAIL:
                self._failing.setdefault(target, experience.id)
            elif experience.verdict is Verdict.PASS:
                self._failing.pop(target, None)
