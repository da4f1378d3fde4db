"""One repository, opened: every job of the product as an iterator of events.

This is what front ends talk to. Boxes, models and stores are opened when first needed and closed
together; nothing here prints.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from agent.approval import Approver, Mode
from agent.events import (
    Event,
    Notice,
    OutputChunk,
    Progress,
    StageStarted,
    TestFinished,
    TestsFinished,
    TextDelta,
    TurnEnding,
    TurnFinished,
    to_json,
)
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.outside.calling import use_outside
from agent.rounds.libraries import LibraryOptions, run_libraries
from agent.rounds.options import LearnOptions
from agent.rounds.process import LearnerSwitch
from agent.rounds.running import run_round, run_self_play, run_trial
from agent.rounds.self_play import SelfPlayOptions
from agent.session.commands import run_command
from agent.session.commented import taken_out
from agent.session.context import Context
from agent.session.edits import SessionEdits, recorded
from agent.session.housekeeping import sweep
from agent.session.inside import InSession, SessionParts
from agent.session.resources import Resources
from agent.session.rewinding import PastTurn, own_states, past_turns, steps_to_take_back
from agent.session.session import SessionLog, read_session
from agent.session.talk import Talk, background_of
from agent.session.wrong import note_wrong
from agent.settings.schema import Settings
from agent.streaming import Emit, stream_events
from agent.text import as_utf8, one_line
from agent.turn.conversation import Conversation
from agent.turn.tools import tests_digest
from agent.watching.comments import Comment
from agent.workspace.commits import Commits
from agent.workspace.committing import Committer
from agent.workspace.editing import editing
from agent.workspace.head import read_head
from agent.workspace.host_files import HostAware, HostFiles
from agent.workspace.limits import SnapshotLimits
from agent.workspace.workspace import Restored, Workspace
from learning.experience.redact import redact_data
from sandbox.host.children import in_thread

if TYPE_CHECKING:
    from agent.rounds.trial.opening import Trials

_LABEL = 60


class Assistant:
    """Works on one repository. Use as an async context manager; one job at a time."""

    def __init__(self, context: Context, approver: Approver) -> None:
        self._context = context
        self._repository = context.repository
        self._approver = approver = HostAware(
            approver=approver, files=HostFiles(root=context.root, environ=context.environ)
        )
        self.conversation = Conversation()
        self._unsaid: list[str] = []
        self.workspace = Workspace(
            context.root,
            self._repository.shadow_git,
            environ=context.environ,
            excluded=(context.paths.home,),
            limits=SnapshotLimits(
                files=context.settings.session.snapshot_files,
                size_mib=context.settings.session.snapshot_mib,
            ),
        )
        sessions, resume = self._repository.sessions, context.resume
        self._log = SessionLog.resume(sessions, resume) if resume else SessionLog.create(sessions)
        self._resources = Resources(context, approver, self.workspace, session=self._log.id)
        self._edits = SessionEdits(
            root=context.root,
            workspace=self.workspace,
            resources=self._resources,
            write=self._step_began,
        )
        self._talk = Talk(
            root=context.root,
            write=self._log.append,
            background=background_of(context),
        )
        self._commits = Commits(
            committer=Committer(context.root, context.environ),
            approver=approver,
            hooks=context.hooks,
            allow_host=context.settings.turn.allow_host,
        )

    async def __aenter__(self) -> Self:
        if self._context.resume:
            records = read_session(self._repository.sessions, self._context.resume)
            self._talk.resume(self.conversation, records)
        self._unsaid = list(await asyncio.to_thread(self.workspace.put_back))
        head = await in_thread(read_head, self._context.root)
        self._log.append(
            {
                "event": "session_started",
                "root": str(self._context.root),
                "branch": head.branch if head else "",
                "commit": head.commit if head else "",
                "mode": self._context.mode,
            }
        )
        await in_thread(
            sweep,
            self._repository,
            self.workspace,
            retention_days=self._settings.session.retention_days,
            now=time.time(),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._resources.close()
        finally:
            self._log.close()

    def news(self) -> list[str]:
        """Sentences on repairs to the files when the repository was opened; each is given once."""
        said, self._unsaid = self._unsaid, []
        return said

    async def written(self) -> Sequence[str]:
        """The files that the last job left changed, as `undo` knows it; see `SessionEdits.written`."""
        return await self._edits.written()

    def note_mode(self, mode: Mode) -> None:
        """Write down the approval mode, in which the session goes on when it is resumed.

        Raises:
            SessionError: If the session file cannot be written.
        """
        self._log.append({"event": "mode_set", "mode": mode})

    def past_turns(self) -> Sequence[PastTurn]:
        """The turns of this session, which `rewind` can take back, oldest first; blocks."""
        return past_turns(read_session(self._repository.sessions, self._log.id))

    def rewind(self, number: int) -> Restored | None:
        """Go back to before this turn: files and conversation; None if no file changed since. Blocks.

        Raises:
            UndoRefusedError: If the files cannot go back without guessing; nothing is changed then.
        """
        records = list(read_session(self._repository.sessions, self._log.id))
        steps = steps_to_take_back(
            past_turns(records), number, self.workspace.steps(), own_states(records)
        )
        restored = self.workspace.take_back(steps) if steps else None
        read = partial(read_session, self._repository.sessions, self._log.id)
        self._talk.rewind(self.conversation, read, number)
        return restored

    async def reconnect(self, model: str | None = None, *, sandbox: bool = True) -> None:
        """Let go of the model and the sandbox; see `Resources.reconnect`."""
        await self._resources.reconnect(model, sandbox=sandbox)

    @property
    def session_id(self) -> str:
        """The id by which this conversation can be resumed."""
        return self._log.id

    @property
    def model_name(self) -> str:
        """The model that answers from the next reply on."""
        return self._settings.model.name

    def test(self, *, command: str | None = None) -> AsyncGenerator[Event, None]:
        """Run the project's tests in the sandbox; the last event is `TestsFinished`."""

        async def work(emit: Emit) -> None:
            self._edits.state_before = ""
            project = await self._resources.project(emit, command)
            self._edits.say_what_is_left_out(emit)
            emit(StageStarted("running all tests"))
            await self._edits.note_the_users(emit)
            report = await project.run(on_result=lambda result: emit(TestFinished(result)))
            emit(TestsFinished(report))
            sources = Sources(self._context.root, await in_thread(self.workspace.list_files))
            self.conversation.overhear(tests_digest(report, sources))
            if recorder := await self._resources.recorder(emit):
                await recorded(emit, recorder.tests_ran, report)

        return self._logged(stream_events(work))

    def fix(
        self, *, command: str | None = None, only: frozenset[str] = frozenset()
    ) -> AsyncGenerator[Event, None]:
        """Run the tests and repair what fails, or `only` these; the last event is `FixFinished`."""

        async def work(emit: Emit) -> None:
            with editing(self._context.root):
                pass  # rather now than when everything is loaded
            await self._resources.project(emit, command)
            await self._resources.model(emit)
            async with self._edits.step("run-tests --fix", emit):
                inside = InSession(self._parts(), text="", emit=emit)
                await inside.fix(inside.fix_options(only), command=command)

        return self._logged(stream_events(work))

    def turn(
        self,
        text: str,
        *,
        wanted: Wanted | None = None,
        attached: str = "",
        comment: Comment | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Answer one request of the user; the last event is `TurnFinished`.

        `wanted` is its kind, where the person says it; `attached` is what came with it, such as a diff.
        A `comment` that holds the request is taken out once files were changed for it.
        """
        text, attached = as_utf8(text), as_utf8(attached)

        async def work(emit: Emit) -> None:
            if not text.strip():
                emit(TurnFinished("the request is empty: say what you want", TurnEnding.FAILED))
                return
            await self._edits.note_the_users(emit)
            if self._context.commit:
                await self._commits.turn_begins()
            async with self._edits.step(one_line(text, most=_LABEL) or "a request", emit) as before:
                inside = InSession(self._parts(), text=text, emit=emit, attached=attached)
                end = await (await inside.request(before)).answer(wanted)
                if end.ending is TurnEnding.DONE:
                    await taken_out(self._edits, comment, emit)
                    await self._commit(text, before, await inside.credit(), emit)
                emit(end)

        return self._logged(stream_events(work))

    def _step_began(self, record: Mapping[str, object]) -> None:
        """Write down where a step begins, behind a conversation that was cleared before it."""
        self._talk.attach(self.conversation)
        self._log.append(record)

    def _parts(self) -> SessionParts:
        return SessionParts(
            resources=self._resources,
            workspace=self.workspace,
            talk=self._talk,
            conversation=self.conversation,
            approver=self._approver,
        )

    def wrong(self, why: str) -> AsyncGenerator[Event, None]:
        """Note that the model's last action was wrong, and why; what it did stays as it is."""
        return self._logged(
            stream_events(partial(note_wrong, self._resources, self.conversation, why))
        )

    def run_command(
        self, command: str | Sequence[str], *, bring: Sequence[str] = (), announced: bool = False
    ) -> AsyncGenerator[Event, None]:
        """Run a shell's text, or arguments, in the sandbox, on a copy of the files.

        Its outcome goes along with the next request. `announced` says so before its output begins.
        If it succeeds, the files that `bring` declares come back, each after a question; the turn
        has failed if one of them does not.
        """
        work = partial(
            run_command,
            self._edits,
            self._approver,
            command,
            bring,
            overhear=self.conversation.overhear,
            announced=announced,
        )
        return self._logged(stream_events(work))

    def use_outside(self, said: str) -> AsyncGenerator[Event, None]:
        """List the tools of the person's MCP servers, or call one; see `agent.outside.calling`."""
        job = partial(use_outside, self._resources.context, said, self._approver, self.conversation)
        return self._logged(stream_events(job))

    def learn(
        self, options: LearnOptions, *, switch: LearnerSwitch | None = None
    ) -> AsyncGenerator[Event, None]:
        """Run one learning round on what was captured; the last event is `LearnFinished`.

        This may run beside another job; `switch` pauses its worker meanwhile.
        """
        work = partial(run_round, self._resources, options, switch)
        return self._logged(stream_events(work))

    def try_adapter(self, name: str, *, budget_s: float) -> AsyncGenerator[Event, None]:
        """Try an adapter against what is in use; the last event is `LearnFinished`."""
        work = partial(run_trial, self._resources, name, budget_s)
        return self._logged(stream_events(work))

    def self_play(self, options: SelfPlayOptions) -> AsyncGenerator[Event, None]:
        """Retry failures that nobody fixed, in a copy of the files; the last event says the yield."""
        work = partial(run_self_play, self._resources, self.workspace, options)
        return self._logged(stream_events(work))

    def survey(self, options: LibraryOptions) -> AsyncGenerator[Event, None]:
        """Find what the model gets wrong of libraries, and keep verified contexts of it."""
        return self._logged(stream_events(partial(run_libraries, self._resources, options)))

    def trials(self, emit: Emit) -> Trials:
        """The trials of this repository, for whoever measures; nothing is opened yet."""
        return self._resources.trials(emit)

    @property
    def _settings(self) -> Settings:
        return self._resources.context.settings

    async def _logged(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """Every event also goes to the session file, except the pieces of longer ones."""
        async with aclosing(events) as closing:
            for said in self.news():
                yield Notice(said)
            async for event in closing:
                if not isinstance(event, (TextDelta, OutputChunk, Progress)):
                    self._log.append(redact_data(to_json(event)))
                yield event

    async def _commit(
        self, request: str, before: str, credit: tuple[str, str | None], emit: Emit
    ) -> None:
        if self._context.commit:
            paths = await in_thread(self.workspace.changed, before)
            model, adapter = credit
            said = await self._commits.turn_accepted(request, paths, model=model, adapter=adapter)
            if said is not None:
                emit(said)
