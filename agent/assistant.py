"""One repository, opened: every job of the product as an iterator of events.

This is what front ends talk to. Boxes, models and stores are opened when first needed and closed
together; nothing here prints.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.advice import Advisor
from agent.approval import Approver
from agent.capture import Recorder
from agent.commits import Commits
from agent.events import (
    Event,
    FixFinished,
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
from agent.fixing.fix import FixOptions, fix
from agent.fixing.sources import Sources
from agent.housekeeping import sweep
from agent.learn import LearnOptions, learn
from agent.learner_process import LearnerSwitch
from agent.memory.lessons import MOST_EXPERIENCES, Lesson, lessons_of
from agent.model.http_model import HttpModel
from agent.model.protocol import Model
from agent.model.serving import AdapterFolder, connect
from agent.paths import Paths, make_private
from agent.practice import PracticeOptions, copy_project, practise
from agent.project import ProjectTests, open_project
from agent.session import SessionLog, read_session
from agent.settings.schema import Settings
from agent.streaming import Emit, stream_events
from agent.talk import Means, Talk
from agent.turn.conversation import Conversation
from agent.turn.opening import Background
from agent.workspace.committing import Committer
from agent.workspace.head import read_head
from agent.workspace.workspace import Workspace
from learning.experience.redact import redact
from learning.experience.store import ExperienceStore
from learning.model.resolve import resolve
from learning.promotion.adapters import AdapterStore
from sandbox.contract import Execution
from sandbox.report import TestReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an assistant is built from."""

    root: Path
    settings: Settings
    paths: Paths
    environ: Mapping[str, str]
    launcher: Sequence[str]
    """Command line that starts elagent in a subprocess."""
    instructions: str = ""
    """The project's own words for agents; empty while it is not trusted."""
    resume: str | None = None
    """The session to go on with."""
    commit: bool = False
    """Whether each accepted turn becomes a commit."""
    hooks: bool = False
    """Whether git hooks shall run then; the person is asked."""


class Assistant:
    """Works on one repository. Use as an async context manager; one job at a time."""

    def __init__(self, parts: Parts, approver: Approver) -> None:
        self._parts = parts
        self._repository = parts.paths.repository(parts.root)
        self._approver = approver
        self._open = AsyncExitStack()
        self._model_open = AsyncExitStack()
        self._sandbox_open = AsyncExitStack()
        self._project: ProjectTests | None = None
        self._model: Model | None = None
        self._recorder: Recorder | None = None
        self.conversation = Conversation()
        self.workspace = Workspace(
            parts.root,
            self._repository.shadow_git,
            environ=parts.environ,
            excluded=(parts.paths.home,),
        )
        self._store: ExperienceStore | None = None
        sessions, resume = self._repository.sessions, parts.resume
        self._log = SessionLog.resume(sessions, resume) if resume else SessionLog.create(sessions)
        self._talk = Talk(
            root=parts.root,
            write=self._log.append,
            background=Background(instructions=parts.instructions),
        )
        self._commits = Commits(
            committer=Committer(parts.root, parts.environ),
            approver=approver,
            hooks=parts.hooks,
            allow_host=parts.settings.turn.allow_host,
        )

    async def __aenter__(self) -> Self:
        self._open.callback(self._log.close)
        if self._parts.resume:
            records = read_session(self._repository.sessions, self._parts.resume)
            self._talk.resume(self.conversation, records)
        head = await asyncio.to_thread(read_head, self._parts.root)
        self._log.append(
            {
                "event": "session_started",
                "root": str(self._parts.root),
                "branch": head.branch if head else "",
                "commit": head.commit if head else "",
            }
        )
        await asyncio.to_thread(
            sweep,
            self._repository,
            self.workspace,
            retention_days=self._parts.settings.session.retention_days,
            now=time.time(),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._model_open.aclose()
        await self._sandbox_open.aclose()
        await self._open.aclose()

    async def reconnect(self, model: str | None = None, *, sandbox: bool = True) -> None:
        """Let go of the model and the sandbox, e.g. after one of them died; files stay as they are.

        The next job finds or starts them anew, with the adapter that is then in use. `model` names
        another model for the rest of the session; without `sandbox` the sandbox is kept.
        """
        if model is not None:
            settings = self._parts.settings
            chosen = replace(settings, model=replace(settings.model, name=model))
            self._parts = replace(self._parts, settings=chosen)
        self._model = None
        await self._model_open.aclose()
        if sandbox:
            self._project = None
            await self._sandbox_open.aclose()

    def test(self, *, command: str | None = None) -> AsyncIterator[Event]:
        """Run the project's tests in the sandbox; the last event is `TestsFinished`."""

        async def work(emit: Emit) -> None:
            project = await self._ready_project(emit, command)
            emit(StageStarted("running all tests"))
            self._note_user_edits(emit)
            report = await project.run(on_result=lambda result: emit(TestFinished(result)))
            emit(TestsFinished(report))
            if recorder := self._ready_recorder():
                _emit_all(emit, recorder.tests_ran(report))

        return self._logged(stream_events(work))

    def fix(self, *, command: str | None = None) -> AsyncIterator[Event]:
        """Run the tests and repair what fails; the last event is `FixFinished`."""

        async def work(emit: Emit) -> None:
            project = await self._ready_project(emit, command)
            model = await self._ready_model(emit)
            settings = self._parts.settings
            async with self._turn("run-tests --fix"):
                repair = fix(
                    root=self._parts.root,
                    files=await asyncio.to_thread(self.workspace.list_files),
                    runner=project,
                    model=model,
                    options=FixOptions(
                        max_attempts=settings.fix.max_attempts,
                        allow_test_edits=settings.fix.allow_test_edits,
                    ),
                    recorder=self._ready_recorder(),
                    advise=self._advisor(project, emit).for_test,
                )
                self._note_user_edits(emit)
                recorder = self._ready_recorder()
                first = True
                async for event in repair:
                    emit(event)
                    if recorder is None:
                        continue
                    if isinstance(event, TestsFinished) and first:
                        first = False
                        _emit_all(emit, recorder.tests_ran(event.report))
                    elif isinstance(event, FixFinished):
                        recorder.tests_known(event.red_after)

        return self._logged(stream_events(work))

    def turn(self, text: str) -> AsyncIterator[Event]:
        """Answer one request of the user; the last event is `TurnFinished`."""

        async def work(emit: Emit) -> None:
            model = await self._ready_model(emit)

            async def run_command(command: str) -> Execution:
                project = await self._ready_project(emit, None)
                return await project.run_command(command)

            async def explain(failed: Execution | TestReport, sources: Sources) -> Sequence[str]:
                project = await self._ready_project(emit, None)
                return await self._advisor(project, emit).explain(failed, sources)

            async def run_tests() -> TestReport:
                project = await self._ready_project(emit, None)
                return await project.run(on_result=lambda result: emit(TestFinished(result)))

            self._note_user_edits(emit)
            if self._parts.commit:
                await self._commits.turn_begins()
            async with self._turn(text[:60]) as before:
                means = Means(
                    files=await asyncio.to_thread(self.workspace.list_files),
                    model=model,
                    approver=self._approver,
                    checkpoints=self.workspace,
                    run_command=run_command,
                    run_tests=run_tests,
                    recorder=self._ready_recorder(),
                    explain=explain,
                )
                answer = self._talk.turn(self.conversation, text, self._parts.settings, means)
                async for event in answer:
                    if isinstance(event, TurnFinished) and event.ending is TurnEnding.DONE:
                        await self._commit(text, before, model, emit)
                    emit(event)

        return self._logged(stream_events(work))

    def wrong(self, why: str) -> AsyncIterator[Event]:
        """Note that the model's last action was wrong, and why; what it did stays as it is."""

        async def work(emit: Emit) -> None:
            recorder = self._ready_recorder()
            if recorder is None:
                emit(Notice("nothing is recorded: session.capture is off", "warning"))
            elif (event := recorder.wrong(why)) is None:
                emit(Notice("nothing was done yet that could be wrong", "warning"))
            else:
                emit(event)
                emit(Notice(f"noted: the last action was wrong ({event.id})"))

        return self._logged(stream_events(work))

    def run_command(self, command: str) -> AsyncIterator[Event]:
        """Run one shell command in the sandbox, on a copy of the files."""

        async def work(emit: Emit) -> None:
            project = await self._ready_project(emit, None)
            execution = await project.run_command(
                command, on_output=lambda data: emit(OutputChunk(data.decode("utf-8", "replace")))
            )
            ending = TurnEnding.DONE if execution.succeeded else TurnEnding.FAILED
            emit(TurnFinished(_ending(execution), ending))

        return self._logged(stream_events(work))

    def learn(
        self, options: LearnOptions, *, switch: LearnerSwitch | None = None
    ) -> AsyncIterator[Event]:
        """Run one learning round on what was captured; the last event is `LearnFinished`.

        This may run beside another job; `switch` pauses its worker meanwhile.
        """

        async def work(emit: Emit) -> None:
            settings = self._parts.settings
            name = settings.model.name
            model = await asyncio.to_thread(resolve, name, self._parts.paths.models)
            rounds = learn(
                store=self._ready_store(),
                adapters=AdapterStore(self._repository.adapters),
                model=model,
                repository=self._parts.root.name,
                jobs=make_private(self._repository.learn),
                options=options,
                switch=switch,
                environ=self._parts.environ,
            )
            async for event in rounds:
                emit(event)

        return self._logged(stream_events(work))

    def practise(self, options: PracticeOptions) -> AsyncIterator[Event]:
        """Retry failures that nobody fixed, in a copy of the files; the last event says the yield."""

        async def work(emit: Emit) -> None:
            project = await self._ready_project(emit, None)
            model = await self._ready_model(emit)
            files = await asyncio.to_thread(self.workspace.list_files)
            with tempfile.TemporaryDirectory(prefix="elagent-practice-") as folder:
                copy = Path(folder)
                await asyncio.to_thread(copy_project, self._parts.root, files, copy)
                events = practise(
                    copy=copy,
                    files=files,
                    runner=project.on_copy(copy),
                    model=model,
                    store=self._ready_store(),
                    advise=self._advisor(project, emit).for_test,
                    options=options,
                )
                async for event in events:
                    emit(event)

        return self._logged(stream_events(work))

    async def _logged(self, events: AsyncGenerator[Event, None]) -> AsyncIterator[Event]:
        """Every event also goes to the session file, except the pieces of longer ones."""
        async with aclosing(events) as closing:
            async for event in closing:
                if not isinstance(event, (TextDelta, OutputChunk, Progress)):
                    self._log.append(_redacted(to_json(event)))
                yield event

    async def _commit(self, request: str, before: str, model: Model, emit: Emit) -> None:
        if self._parts.commit:
            paths = await asyncio.to_thread(self.workspace.changed, before)
            said = await self._commits.turn_accepted(
                request, paths, model=model.name, adapter=model.adapter
            )
            if said is not None:
                emit(said)

    @asynccontextmanager
    async def _turn(self, label: str) -> AsyncIterator[str]:
        """Everything inside becomes one step of `undo`; yields the state before."""
        turn = self.workspace.turn(label)
        before = await asyncio.to_thread(turn.__enter__)
        try:
            yield before
        finally:
            await asyncio.shield(asyncio.to_thread(turn.__exit__, None, None, None))

    def _advisor(self, project: ProjectTests, emit: Emit) -> Advisor:
        """What helps with failures here, as far as the settings allow it."""
        allowed = self._parts.settings.agent

        def say(text: str) -> None:
            emit(Notice(text))

        return Advisor(
            environment=project.environment(self._repository.facts, say=say)
            if allowed.facts
            else None,
            lessons=self._lessons if allowed.memory == "hints" else tuple,
            say=say,
        )

    def _lessons(self) -> tuple[Lesson, ...]:
        return lessons_of(self._ready_store().list(limit=MOST_EXPERIENCES))

    def _note_user_edits(self, emit: Emit) -> None:
        """Record what the user made of the agent's edits since they were written."""
        if self._recorder is not None:
            _emit_all(emit, self._recorder.files_are(Sources(self._parts.root, ()).text))

    async def _ready_project(self, emit: Emit, command: str | None) -> ProjectTests:
        if self._project is None:
            emit(StageStarted("preparing the sandbox"))
            self._project = await self._sandbox_open.enter_async_context(
                open_project(
                    self.workspace,
                    settings=self._parts.settings.sandbox,
                    state_dir=make_private(self._parts.paths.sandbox),
                    session=self._log.id,
                    command=command,
                    say=lambda line: emit(Notice(line)),
                    approver=self._approver,
                )
            )
        return self._project

    async def _ready_model(self, emit: Emit) -> Model:
        if self._model is None:
            emit(StageStarted(f"loading the model {self._parts.settings.model.name}"))
            self._model = await self._model_open.enter_async_context(self._connection(emit))
        return self._model

    def _connection(self, emit: Emit) -> AbstractAsyncContextManager[HttpModel]:
        settings = self._parts.settings.model
        active = AdapterStore(self._repository.adapters).active()
        return connect(
            settings.name,
            paths=self._parts.paths,
            settings=settings,
            launcher=self._parts.launcher,
            environ=self._parts.environ,
            adapter=self._adapter_folder(active.name) if active else None,
            on_progress=lambda _text, elapsed_s: emit(Progress(elapsed_s, 0, "s")),
            on_notice=lambda text: emit(Notice(text)),
        )

    def _adapter_folder(self, name: str) -> AdapterFolder:
        return AdapterFolder(name=name, folder=AdapterStore(self._repository.adapters).path(name))

    def _ready_store(self) -> ExperienceStore:
        if self._store is None:
            make_private(self._repository.home)
            self._store = ExperienceStore.open(
                self._repository.experiences, home=self._parts.environ.get("HOME", "")
            )
            self._open.callback(self._store.close)
        return self._store

    def _ready_recorder(self) -> Recorder | None:
        if not self._parts.settings.session.capture:
            return None
        if self._recorder is None:
            self._recorder = Recorder(
                self._ready_store(), repository=self._parts.root.name, session=self._log.id
            )
        return self._recorder


def _emit_all(emit: Emit, events: Iterable[Event]) -> None:
    for event in events:
        emit(event)


def _redacted(value: Any) -> Any:  # noqa: ANN401 - JSON data
    """The same data without secrets in its texts."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {key: _redacted(item) for key, item in value.items()}
        case list():
            return [_redacted(item) for item in value]
        case _:
            return value


def _ending(execution: Execution) -> str:
    if execution.succeeded:
        return "done"
    if execution.exit_code is None:
        return f"ended: {execution.ending.value.replace('_', ' ')}"
    return f"exit code {execution.exit_code}"
