"""One repository, opened: every job of the product as an iterator of events.

This is what front ends talk to. Boxes, models and stores are opened when first needed and closed
together; nothing here prints.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.approval import Approver
from agent.capture import Recorder
from agent.events import (
    Event,
    Notice,
    OutputChunk,
    Progress,
    StageStarted,
    TestFinished,
    TestsFinished,
    TextDelta,
    TurnFinished,
    to_json,
)
from agent.fixing.fix import FixOptions, fix
from agent.learn import LearnOptions, learn
from agent.model.http_model import HttpModel
from agent.model.protocol import Model
from agent.model.serving import AdapterFolder, connect
from agent.paths import Paths, make_private
from agent.project import ProjectTests, open_project
from agent.session import SessionLog, sweep_sessions
from agent.settings.schema import Settings
from agent.streaming import Emit, stream_events
from agent.turn.conversation import Conversation
from agent.turn.loop import run_turn
from agent.workspace.head import read_head
from agent.workspace.workspace import Workspace
from learning.experience.redact import redact
from learning.experience.store import ExperienceStore
from learning.model.resolve import resolve
from learning.promotion.adapters import AdapterStore
from sandbox.contract import Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an assistant is built from."""

    root: Path
    settings: Settings
    paths: Paths
    environ: Mapping[str, str]
    launcher: Sequence[str]
    """Command line that starts elagent in a subprocess."""


class Assistant:
    """Works on one repository. Use as an async context manager; one job at a time."""

    def __init__(self, parts: Parts, approver: Approver) -> None:
        self._parts = parts
        self._repository = parts.paths.repository(parts.root)
        self._approver = approver
        self._open = AsyncExitStack()
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
        self._log = SessionLog.create(self._repository.sessions)

    async def __aenter__(self) -> Self:
        self._open.callback(self._log.close)
        head = await asyncio.to_thread(read_head, self._parts.root)
        self._log.append(
            {
                "event": "session_started",
                "root": str(self._parts.root),
                "branch": head.branch if head else "",
                "commit": head.commit if head else "",
            }
        )
        sweep_sessions(
            self._repository.sessions,
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
        await self._open.aclose()

    def test(self, *, command: str | None = None) -> AsyncIterator[Event]:
        """Run the project's tests in the sandbox; the last event is `TestsFinished`."""

        async def work(emit: Emit) -> None:
            project = await self._ready_project(emit, command)
            emit(StageStarted("running all tests"))
            report = await project.run(on_result=lambda result: emit(TestFinished(result)))
            emit(TestsFinished(report))

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
                )
                async for event in repair:
                    emit(event)

        return self._logged(stream_events(work))

    def turn(self, text: str) -> AsyncIterator[Event]:
        """Answer one request of the user; the last event is `TurnFinished`."""

        async def work(emit: Emit) -> None:
            model = await self._ready_model(emit)

            async def run_command(command: str) -> Execution:
                project = await self._ready_project(emit, None)
                return await project.run_command(command)

            async with self._turn(text[:60]):
                answer = run_turn(
                    self.conversation,
                    text,
                    root=self._parts.root,
                    files=await asyncio.to_thread(self.workspace.list_files),
                    model=model,
                    approver=self._approver,
                    run_command=run_command,
                    temperature=self._parts.settings.model.temperature,
                )
                async for event in answer:
                    emit(event)

        return self._logged(stream_events(work))

    def run_command(self, command: str) -> AsyncIterator[Event]:
        """Run one shell command in the sandbox, on a copy of the files."""

        async def work(emit: Emit) -> None:
            project = await self._ready_project(emit, None)
            execution = await project.run_command(
                command, on_output=lambda data: emit(OutputChunk(data.decode("utf-8", "replace")))
            )
            emit(TurnFinished(_ending(execution)))

        return self._logged(stream_events(work))

    def learn(self, options: LearnOptions) -> AsyncIterator[Event]:
        """Run one learning round on what was captured; the last event is `LearnFinished`."""

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
                environ=self._parts.environ,
            )
            async for event in rounds:
                emit(event)

        return self._logged(stream_events(work))

    async def _logged(self, events: AsyncGenerator[Event, None]) -> AsyncIterator[Event]:
        """Every event also goes to the session file, except the pieces of longer ones."""
        async with aclosing(events) as closing:
            async for event in closing:
                if not isinstance(event, (TextDelta, OutputChunk, Progress)):
                    self._log.append(_redacted(to_json(event)))
                yield event

    @asynccontextmanager
    async def _turn(self, label: str) -> AsyncIterator[None]:
        """Everything inside becomes one step of `undo`."""
        turn = self.workspace.turn(label)
        await asyncio.to_thread(turn.__enter__)
        try:
            yield
        finally:
            await asyncio.shield(asyncio.to_thread(turn.__exit__, None, None, None))

    async def _ready_project(self, emit: Emit, command: str | None) -> ProjectTests:
        if self._project is None:
            emit(StageStarted("preparing the sandbox"))
            self._project = await self._open.enter_async_context(
                open_project(
                    self.workspace,
                    settings=self._parts.settings.sandbox,
                    state_dir=make_private(self._parts.paths.sandbox),
                    session=self._log.id,
                    command=command,
                    say=lambda line: emit(Notice(line)),
                )
            )
        return self._project

    async def _ready_model(self, emit: Emit) -> Model:
        if self._model is None:
            emit(StageStarted(f"loading the model {self._parts.settings.model.name}"))
            self._model = await self._open.enter_async_context(self._connection(emit))
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
