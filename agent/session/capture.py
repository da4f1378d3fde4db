"""Turns what the agent did, and what the tests then said, into stored experiences.

An action is on the disk as soon as it was done. What becomes known later (the next test run, a
correction, an edit that the user made to the result) is added to it, or linked to it.
"""

from __future__ import annotations

import dataclasses
import re
import time
import uuid
from collections.abc import Callable, Iterable, Sequence

from agent.events import ExperienceRecorded
from agent.testing.failures import evidence_of
from agent.turn.steps import TurnStep
from learning.evidence.output import parse_output
from learning.experience.store import ExperienceStore
from learning.records import (
    Action,
    Evidence,
    EvidenceKind,
    Experience,
    Message,
    Origin,
    Tier,
    Trust,
    Verdict,
)
from sandbox.verdict.report import RunStatus, TestReport

_MAX_FIELD = 600
_MAX_OBSERVATION = 8_000
_EVIDENCE_KEPT = 3
_FOREIGN = re.compile(
    r"https?://|\b(?:curl|wget)\b|[-_]packages/|node_modules/|\.(?:md|rst|txt|html?|adoc)\b"
    r"|\b(?:README|LICEN[CS]E|CHANGELOG|NOTICE|AUTHORS)\b",
    re.IGNORECASE,
)
"""Commands that show texts which others wrote: documents, the web, the code of dependencies."""


def observation_tier(command: str) -> Tier:
    """Source of a command's output: text that others wrote is never learned from."""
    return Tier.FOREIGN if _FOREIGN.search(command) else Tier.OUTPUT


def _new_id() -> str:
    return uuid.uuid4().hex[:12]


def _was_hidden(test: str, red: Sequence[str]) -> bool:
    """True if the test is in a file that could not be loaded, and so was red as a whole."""
    return any(test.startswith(f"{item}::") for item in red)


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
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = _new_id,
    ) -> None:
        self._store = store
        self._repository = repository
        self._session = session
        self._clock = clock
        self._new_id = new_id
        self._failing: dict[str, str] = {}
        self._red: tuple[str, ...] | None = None
        """Red tests of the last complete run; None before the first."""
        self._waiting: list[Experience] = []
        """Edits since that run."""
        self._written: dict[str, Experience] = {}
        """The last edit of each file."""
        self._last: Experience | None = None
        self._several: set[str] = set()
        """Edits of more than one file: no verdict can be about one of them."""

    def record(self, draft: Experience) -> ExperienceRecorded | None:
        """Complete a drafted experience and store it; None while capture is switched off.

        It is on the disk on return.

        Raises:
            StoreError: If it cannot be written.
        """
        targets, passed = draft.targets, draft.verdict is Verdict.PASS
        experience = dataclasses.replace(
            self._named(draft),
            fixes=self._fixed_by(targets) if passed else "",
            red_before=self._red or (),
            green_after=targets if passed else (),
        )
        event = self._added(experience)
        if event is not None:
            self._last = experience
        if passed:
            self._red = tuple(test for test in self._red or () if test not in targets)
            if draft.path:
                self._written[draft.path] = experience
        return event

    def acted(self, step: TurnStep) -> ExperienceRecorded | None:
        """Keep one action of a conversation; the next run of the tests judges what it wrote.

        Raises:
            StoreError: If it cannot be written.
        """
        tier = observation_tier(step.command)
        facts = parse_output(step.observation, subject=step.command, tier=tier)
        first = step.edits[0] if step.edits else None
        experience = dataclasses.replace(
            self._bare(step.messages, step.action),
            evidence=facts[-_EVIDENCE_KEPT:] if step.command else (),
            path=first.path if first else "",
            before=(first.before or "") if first else "",
            after=first.after if first else "",
            origin=Origin.TURN,
            observation=step.observation[:_MAX_OBSERVATION],
            observation_tier=tier,
            red_before=self._red or (),
        )
        if (event := self._added(experience)) is None:
            return None
        self._last = experience
        if first is not None:
            self._waiting.append(experience)
            if len(step.edits) > 1:
                self._several.add(experience.id)
            for edit in step.edits:
                self._written[edit.path] = dataclasses.replace(
                    experience, path=edit.path, before=edit.before or "", after=edit.after
                )
        return event

    def tests_ran(self, report: TestReport) -> tuple[ExperienceRecorded, ...]:
        """Judge the edits since the last run by what changed; a run that is not whole says nothing.

        Only an edit that stands alone between two runs gets a verdict; of several the record says
        which tests were red before and green after, and no more.

        Raises:
            StoreError: If the store cannot be written.
        """
        if report.status is not RunStatus.COMPLETE:
            return ()
        before, self._red = self._red, tuple(result.id for result in report.red)
        waiting, self._waiting = self._waiting, []
        if before is None or not waiting:
            return ()
        alone = len({item.path for item in waiting}) == 1 and self._several.isdisjoint(
            item.id for item in waiting
        )
        judged = [
            self._judged(item, before, report, decides=alone and item is waiting[-1])
            for item in waiting
        ]
        return tuple(event for item in judged if (event := self._amended(item)))

    def tests_known(self, red: Iterable[str]) -> None:
        """Take these as the red tests from now on; what waits for a verdict gets none."""
        self._red = tuple(red)
        self._waiting.clear()

    def put_back(self, read: Callable[[str], str | None]) -> None:
        """Forget what was written and is no longer there, given how to read a file now.

        After that nobody knows which tests are red, and nobody took anything back.
        """
        self._red = None
        self._waiting.clear()
        self._written = {
            path: edit for path, edit in self._written.items() if (read(path) or "") == edit.after
        }

    def files_are(self, read: Callable[[str], str | None]) -> tuple[ExperienceRecorded, ...]:
        """Find what the user did to the agent's edits since, given how to read a file now.

        A changed text is an action of the user, linked to the one it corrects. An edit that was
        taken back is neither right nor wrong by that: only `wrong` and the tests say so.

        Raises:
            StoreError: If the store cannot be written.
        """
        events: list[ExperienceRecorded | None] = []
        for path, agents in list(self._written.items()):
            now = read(path)
            if now == agents.after or (now is None and agents.before):
                continue
            del self._written[path]
            if (now or "") == agents.before:
                self._red = None  # what is repaired by that is no later edit's merit
                self._waiting = [item for item in self._waiting if item.id != agents.id]
            else:
                events.append(self._edited_by_user(agents, now or ""))
        return tuple(event for event in events if event is not None)

    def wrong(self, why: str) -> ExperienceRecorded | None:
        """The user says that the last action was wrong, and why; None if there was none.

        Raises:
            StoreError: If the store cannot be written.
        """
        return self._corrected(self._last, why) if self._last is not None else None

    def _bare(self, messages: Sequence[Message], action: Action) -> Experience:
        return self._named(Experience.draft(messages, action, Verdict.UNKNOWN))

    def _named(self, draft: Experience) -> Experience:
        return dataclasses.replace(
            draft,
            id=self._new_id(),
            session=self._session,
            created_at=self._clock(),
            repository=self._repository,
        )

    def _added(self, experience: Experience) -> ExperienceRecorded | None:
        return self._told(experience) if self._store.add(experience) else None

    def _amended(self, experience: Experience) -> ExperienceRecorded | None:
        """Replace what is stored; None if it was forgotten meanwhile."""
        if self._last is not None and self._last.id == experience.id:
            self._last = experience
        return self._told(experience) if self._store.amend(experience) else None

    def _told(self, experience: Experience) -> ExperienceRecorded:
        self._remember(experience)
        subject = ", ".join(experience.targets) or experience.path
        verdict = experience.verdict.value
        return ExperienceRecorded(id=experience.id, verdict=verdict, subject=subject)

    def _judged(
        self, edit: Experience, before: Sequence[str], report: TestReport, *, decides: bool
    ) -> Experience:
        solved = tuple(test for test in before if test in report.passed_ids)
        known = dataclasses.replace(
            edit,
            red_before=tuple(before),
            green_after=solved,
            trust=Trust(report.trust.value),
        )
        if not decides:
            return known
        new = [result for result in report.red if result.id not in before]
        broken = [result for result in new if not _was_hidden(result.id, before)]
        failing = broken or [r for r in report.red if edit.path in {f.file for f in r.frames}]
        if solved and not new:
            return dataclasses.replace(
                known,
                verdict=Verdict.PASS,
                targets=solved,
                fixes=self._fixed_by(solved) or edit.fixes,
            )
        if failing:
            return dataclasses.replace(
                known,
                verdict=Verdict.FAIL,
                targets=tuple(result.id for result in failing),
                evidence=tuple(map(evidence_of, failing[:_EVIDENCE_KEPT])),
            )
        return known

    def _corrected(self, action: Experience, why: str) -> ExperienceRecorded | None:
        said = Evidence(
            kind=EvidenceKind.USER_CORRECTION,
            tier=Tier.USER,
            subject=action.path,
            message=why.strip()[:_MAX_FIELD],
        )
        current = self._store.get(action.id) or action
        wrong = dataclasses.replace(
            current,
            action=action.action,
            verdict=Verdict.FAIL,
            evidence=(*current.evidence, said),
        )
        self._waiting = [item for item in self._waiting if item.id != action.id]
        return self._amended(wrong)

    def _edited_by_user(self, agents: Experience, now: str) -> ExperienceRecorded | None:
        text = f"{agents.path}\n```\n{now.rstrip()}\n```"
        edit = dataclasses.replace(
            self._bare(agents.messages, Action(text=text, model=agents.model, adapter=None)),
            path=agents.path,
            before=agents.after,
            after=now,
            fixes=agents.id,
            origin=Origin.USER,
            observation_tier=Tier.USER,
            red_before=self._red or (),
        )
        if (event := self._added(edit)) is not None:
            self._waiting.append(edit)
        return event

    def _fixed_by(self, targets: Sequence[str]) -> str:
        return next((self._failing[target] for target in targets if target in self._failing), "")

    def _remember(self, experience: Experience) -> None:
        for target in experience.targets:
            if experience.verdict is Verdict.FAIL:
                self._failing.setdefault(target, experience.id)
            elif experience.verdict is Verdict.PASS:
                self._failing.pop(target, None)
