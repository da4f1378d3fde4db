"""The work behind the screen: opened after the first paint, closed after the last.

It knows no widget: everything that the screen has to show is posted as a message to the app.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.processes import in_thread
from tui.app.backstage.asides import Asides
from tui.app.backstage.faults import say_fault
from tui.app.backstage.jobs import AgentJob, JobEnding, Jobs
from tui.app.backstage.progress import JobProgress, StatusKeeper
from tui.app.learner.rounds import Learner
from tui.app.learner.state import LearningState
from tui.app.messages import EntryMade, JobBegan, JobEnded, LongJobEnded, QuestionAsked
from tui.app.status import StatusFields
from tui.app.transcript.entries import AnswerEntry, FailureEntry, SaidEntry
from tui.ringing import Bell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from agent.approval import Decision, Mode, Question
    from agent.events import Event
    from agent.session.context import Context
    from agent.settings.schema import ApprovalSettings
    from tui.app.backstage.contract import Agent, OpenAgent
    from tui.app.messages import ApprovalAnswer, Post
    from tui.conversation import Dialogue


class Backstage:
    """Holds the opened repository, and does the jobs that the person asks for."""

    def __init__(self, where: Context, mode: Mode, open_agent: OpenAgent, post: Post) -> None:
        self.where = where
        self.post = post
        self.opened = asyncio.Event()
        self.files: list[str] = []
        """Files of the repository, for completion after `@`."""
        self.status = StatusKeeper(StatusFields(model=where.settings.model.name, mode=mode), post)
        self.learning = LearningState()
        self.progress = JobProgress(self.status, self.learning, post)
        self.approver = ScreenApprover(mode, post, where.settings.approval)
        self.jobs = Jobs(where.paths.log_file)
        self._asides = Asides(self.guarded)
        self.learner = Learner(
            where,
            self.learning,
            agent=lambda: self.agent,
            jobs=self.jobs,
            asides=self._asides,
            post=post,
        )
        self._bell = Bell(after_s=where.settings.session.bell)
        self._open_agent = open_agent
        self._agent: Agent | None = None
        self._dialogue: Dialogue | None = None
        self._closing = contextlib.AsyncExitStack()
        self._task: asyncio.Task[None] | None = None
        self._start: asyncio.Task[str] | None = None
        self._switch_wanted = False

    @property
    def agent(self) -> Agent:
        """The opened repository; every caller waits for `opened` first."""
        assert self._agent is not None  # noqa: S101 - see above
        return self._agent

    @property
    def dialogue(self) -> Dialogue:
        """The conversation without its screen; every caller waits for `opened` first."""
        assert self._dialogue is not None  # noqa: S101 - see above
        return self._dialogue

    def begin(self) -> None:
        """Open the repository and begin to do jobs, in a task of its own."""
        self._task = asyncio.create_task(self._serve())
        self.look_at_files()

    async def _serve(self) -> None:
        try:
            opened = await asyncio.to_thread(self._open)
            self._agent = await self._closing.enter_async_context(opened)
            self._dialogue = self._begin_dialogue(self._agent)
        except Exception as err:  # noqa: BLE001 - the outer edge of a task: logged and shown
            self._fail(say_fault(err, self.where.paths.log_file))
            return
        for said in self._agent.news():
            self.answer(said)
        self._start = asyncio.create_task(
            in_thread(self._agent.workspace.snapshot, "start of the conversation")
        )
        self.opened.set()
        self.learner.begin()
        while True:
            job = await self.jobs.next()
            self._begin(job)
            await self._end(job, await self.jobs.run(job, self._note))

    def _open(self) -> AbstractAsyncContextManager[Agent]:
        """Import the agent and open it; slow, so it runs in a thread and no key waits for it."""
        import tui.conversation  # noqa: F401 - `_begin_dialogue` has it then

        return self._open_agent(self.approver)

    def _begin_dialogue(self, agent: Agent) -> Dialogue:
        from tui.conversation import Dialogue

        return Dialogue(
            self.where,
            agent,
            mode=self.approver.mode,
            files=lambda: self.files,
            start=self.start_snapshot,
            busy=lambda: self.jobs.busy,
        )

    def _note(self, event: Event) -> None:
        self.dialogue.note(event)
        self.progress.take(event)

    def _begin(self, job: AgentJob) -> None:
        self.progress.begin()
        self._bell.begin()
        self.approver.begin()
        self.learner.hold()
        if job.said:
            self.post(EntryMade(SaidEntry(job.said)))
        self.post(JobBegan(job.title, self.jobs.waiting))

    async def _end(self, job: AgentJob, ending: JobEnding) -> None:
        self.progress.end()
        self.post(JobEnded(self.jobs.waiting))
        if self._bell.is_due and ending.kind != "interrupted":
            self.post(LongJobEnded(f"elagent: {job.title}: {ending.kind}"))
        await self.guarded(self._tell(ending))
        if self.progress.files_changed or job.said.startswith("/"):
            self.look_at_files()
        if not self.jobs.waiting:
            await self.guarded(self._switch_now())
        self.learner.release()

    async def _tell(self, ending: JobEnding) -> None:
        """Tell the person about an interrupted or failed job."""
        match ending.kind:
            case "interrupted":
                self.answer(await self.dialogue.stopped())
            case "failed" | "fault":
                if ending.lost == "sandbox":
                    self.progress.lose_sandbox()
                self._fail(ending.text, can_retry=bool(ending.lost))
            case "done":
                pass

    def answer(self, text: str) -> None:
        """Add a sentence of the app to the conversation."""
        self.post(EntryMade(AnswerEntry(text)))

    def _fail(self, text: str, *, can_retry: bool = False) -> None:
        self.post(EntryMade(FailureEntry(text, can_retry=can_retry)))

    async def guarded(self, work: Awaitable[None]) -> None:
        """Await the work; add a failure to the conversation instead of raising it."""
        from agent.errors import EXPECTED

        try:
            await work
        except EXPECTED as err:
            self._fail(str(err))
        except Exception as err:  # noqa: BLE001 - the outer edge of a task: logged and shown
            self._fail(say_fault(err, self.where.paths.log_file))

    def set_mode(self, mode: Mode) -> None:
        """Use another approval mode from the next question on."""
        self.approver.mode = mode
        if self._dialogue is not None:
            self._dialogue.mode = mode
        self.status.show(replace(self.status.fields, mode=mode))

    def show_learner(self) -> None:
        """Copy the learner's state to the status line."""
        self.status.show(replace(self.status.fields, learner=self.learning.short))

    async def start_snapshot(self) -> str:
        """Name of the snapshot that was taken when the conversation began."""
        assert self._start is not None  # noqa: S101 - set before `opened`
        return await self._start

    def look_at_files(self) -> None:
        """Read the branch and the list of files again."""
        self._asides.run("files", self._look_at_files)

    async def _look_at_files(self) -> None:
        branch, dirty = await in_thread(read_git, self.where.root, os.environ)
        self.status.show(replace(self.status.fields, branch=branch, dirty=dirty))
        await self.opened.wait()
        self.files = await in_thread(self.agent.workspace.list_files)

    def switch_when_idle(self) -> None:
        """Connect to the model again for another adapter, but not while a job runs."""
        self._switch_wanted = True
        if not self.jobs.busy:
            self._asides.run("switch", self._switch_now)

    async def _switch_now(self) -> None:
        """Connect to the model again if another adapter was chosen; no job runs now."""
        if self._switch_wanted:
            self._switch_wanted = False
            await self.agent.reconnect(sandbox=False)
        self.learner.count()

    def retry(self) -> None:
        """Start the model and the sandbox anew, and repeat the last job."""
        if self.jobs.last is not None and not self.jobs.busy:
            self._asides.run("retry", self._retry)

    async def _retry(self) -> None:
        self.answer("starting the model server and the sandbox anew")
        await self.guarded(self.agent.reconnect())
        if self.jobs.last is not None:
            self.jobs.submit(self.jobs.last)

    async def close(self) -> None:
        """Cancel all tasks and close the repository."""
        await self.learner.close()
        await self._asides.close()
        running = [task for task in (self._task, self._start) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._closing.aclose()


class ScreenApprover:
    """The `Approver` of the agent: decides by the mode, or asks on the screen."""

    def __init__(self, mode: Mode, post: Post, settled: ApprovalSettings) -> None:
        self.mode = mode
        self._settled = settled
        self._post = post
        self._accepts_rest = False

    def begin(self) -> None:
        """Forget that the edits of the previous turn were accepted as a whole."""
        self._accepts_rest = False

    async def decide(self, question: Question) -> Decision:
        """Decide by the mode; where the mode says so, ask the person."""
        from agent.approval import ModeApprover

        mode = "auto" if self._accepts_rest and question.kind == "edit" else self.mode
        return await ModeApprover(mode, self._ask, self._settled).decide(question)

    async def _ask(self, question: Question) -> Decision:
        """Ask on the screen; the question disappears when its job is stopped."""
        from agent.approval import Decision

        answered: asyncio.Future[ApprovalAnswer] = asyncio.get_running_loop().create_future()
        self._post(QuestionAsked(question, answered))
        answer = await answered
        self._accepts_rest = self._accepts_rest or answer.rest
        return Decision(
            allowed=answer.allowed,
            reason=answer.reason,
            instead=answer.instead,
            kept=answer.kept,
        )


def read_git(root: Path, environ: Mapping[str, str]) -> tuple[str, bool]:
    """Return the branch (a short commit when detached; empty without git) and True if files differ.

    Blocks; nothing of the repository's configuration can run.
    """
    from agent.errors import WorkspaceError
    from agent.workspace.dirtiness import is_dirty
    from agent.workspace.head import read_head

    head = read_head(root)
    if head is None:
        return "", False
    try:
        changed = is_dirty(root, environ)
    except WorkspaceError:
        changed = False
    return head.branch or head.commit[:8], changed
