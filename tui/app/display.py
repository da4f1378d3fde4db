"""Shows what a job does, and asks the person when the agent must not decide alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.events import (
    EditApplied,
    Event,
    ExperienceRecorded,
    FixFinished,
    Progress,
    ReplyFinished,
    StageStarted,
    TestFinished,
    TestsFinished,
    TextDelta,
)
from tui.app.approval import ApprovalAnswer, ApprovalScreen
from tui.app.backstage.jobs import AgentJob, JobEnding
from tui.app.pace import DrawingPace
from tui.app.transcript.entries import AnswerEntry, Entry, EventFold, FailureEntry, SaidEntry

if TYPE_CHECKING:
    from textual.timer import Timer

    from agent.approval import Decision, Question
    from tui.app.app import ElagentApp

_TICK_S = 1 / 12
"""So often what streams can be drawn; words between two drawings are drawn together."""


class Display:
    """The screen side of `Jobs`, and the `Approver` of the agent."""

    def __init__(self, app: ElagentApp) -> None:
        self._app = app
        self._fold = EventFold()
        self._grown: dict[int, Entry] = {}
        self._added: set[int] = set()
        self._pace = DrawingPace()
        self._timer: Timer | None = None
        self._accept_rest = False
        self._passed = self._red = 0
        self._files_changed = False

    async def job_began(self, job: AgentJob) -> None:
        self._fold = EventFold()
        self._added.clear()
        self._accept_rest = self._files_changed = False
        self._app.learner.hold()
        if job.said:
            await self._app.add(SaidEntry(job.said))
        self._app.activity.begin(job.title)
        self._app.activity.queued(self._app.jobs.waiting)
        self._timer = self._timer or self._app.set_interval(_TICK_S, self._tick)
        self._timer.resume()
        self._pace.begin()

    async def job_event(self, event: Event) -> None:
        """Draw it now, with the next tick, or in the status only."""
        self._note(event)
        entry = self._fold.add(event)
        self._take_ended()
        if entry is None:
            return
        if entry.number in self._added:
            self._grown[entry.number] = entry
        else:
            self._added.add(entry.number)
            await self._app.add(entry)

    def _take_ended(self) -> None:
        """What has stopped growing is drawn once more."""
        self._grown |= {entry.number: entry for entry in self._fold.ended}
        self._fold.ended.clear()

    def _note(self, event: Event) -> None:  # noqa: C901 - one case per event
        app = self._app
        match event:
            case StageStarted(text):
                self._passed = self._red = 0
                app.activity.stage(text)
                self._sandbox("preparing" if text == "preparing the sandbox" else None)
            case Progress():
                app.activity.progress(event)
            case TestFinished(result):
                self._passed += not result.outcome.is_red
                self._red += result.outcome.is_red
                app.activity.detail(f"{self._passed} passed, {self._red} red")
                self._sandbox("ready")
            case TestsFinished():
                self._sandbox("ready")
            case TextDelta():
                app.activity.stage("answering")
            case ReplyFinished():
                app.status.show(app.standing.after(event))
            case ExperienceRecorded():
                app.learning.take(event)
                app.panel.draw()
            case EditApplied() | FixFinished():
                self._files_changed = True
            case _:
                pass

    def _sandbox(self, state: str | None) -> None:
        """Note how the sandbox is; any stage after its preparation means that it is there."""
        now = self._app.standing.sandbox
        if state is None and now == "preparing":
            state = "ready"
        if state is not None:
            self._app.status.show(replace(self._app.standing, sandbox=state))

    async def job_ended(self, job: AgentJob, outcome: JobEnding) -> None:
        for entry in self._fold.end():
            self._grown[entry.number] = entry
        await self._draw()
        if self._timer is not None and not self._app.jobs.waiting:
            self._timer.pause()
        self._app.activity.end()
        self._sandbox(None)
        await self._tell(outcome)
        if self._files_changed or job.said.startswith("/"):
            self._app.backstage.look_at_files()
        if not self._app.jobs.waiting:
            await self._app.guarded(self._app.backstage.switch_now())
        self._app.learner.release()

    async def _tell(self, outcome: JobEnding) -> None:
        """Say how a job ended, unless it ended as it should."""
        match outcome.kind:
            case "interrupted":
                await self._app.add(AnswerEntry("interrupted; what was written stays (/undo)"))
            case "failed" | "fault":
                if outcome.lost == "sandbox":
                    self._sandbox("lost")
                await self._app.add(FailureEntry(outcome.text, can_retry=bool(outcome.lost)))
            case "done":
                pass

    async def _tick(self) -> None:
        self._app.activity.draw()
        if self._grown and self._pace.is_due():
            await self._draw()

    async def _draw(self) -> None:
        grown, self._grown = self._grown, {}
        for entry in grown.values():
            await self._app.transcript.grow(entry)

    async def decide(self, question: Question) -> Decision:
        """Answer by mode; where the mode says so, ask the person."""
        from agent.approval import ModeApprover

        mode = "auto" if self._accept_rest and question.kind == "edit" else self._app.mode
        return await ModeApprover(mode, self._ask).decide(question)

    async def _ask(self, question: Question) -> Decision:
        """Show the question over everything else until it is answered or the job is stopped."""
        from agent.approval import Decision

        answered: asyncio.Future[ApprovalAnswer] = asyncio.get_running_loop().create_future()

        def take(verdict: ApprovalAnswer | None) -> None:
            if not answered.done():
                answered.set_result(
                    verdict or ApprovalAnswer(allowed=False, reason="the user said no")
                )

        screen = ApprovalScreen(question)
        self._app.activity.stage("waiting for your answer")
        self._app.bell()
        await self._app.push_screen(screen, take)
        try:
            verdict = await answered
        finally:
            if not answered.done() or answered.cancelled():
                screen.dismiss(ApprovalAnswer(allowed=False))
        self._accept_rest = self._accept_rest or verdict.rest
        return Decision(allowed=verdict.allowed, reason=verdict.reason, kept=verdict.kept)
