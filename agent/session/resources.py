"""Opens what the jobs of one session work with, each when first needed, and closes all together."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.advice.gathering import Advisor
from agent.advice.lessons import MOST_EXPERIENCES, RepairLesson, lessons_of
from agent.approval import Approver
from agent.events import Notice, Progress, StageStarted
from agent.model.http_model import HttpModel
from agent.model.protocol import Model
from agent.model.serving import AdapterFolder, connect
from agent.paths import make_private
from agent.session.capture import Recorder
from agent.session.context import Context
from agent.stages import PREPARING_SANDBOX, SANDBOX_READY
from agent.streaming import Emit
from agent.testing.opening import open_project
from agent.testing.project import ProjectTests
from agent.workspace.workspace import Workspace
from learning.experience.store import ExperienceStore, StoreError
from learning.promotion.adapters import AdapterStore

if TYPE_CHECKING:
    from agent.rounds.trial.opening import Trials
    from agent.rounds.uses import LibraryUses


class Resources:
    """The sandbox, the model and the experiences of one session."""

    def __init__(
        self, context: Context, approver: Approver, workspace: Workspace, *, session: str
    ) -> None:
        self.context = context
        self._repository = context.repository
        self._approver = approver
        self._workspace = workspace
        self._session = session
        self._model_open = AsyncExitStack()
        self._sandbox_open = AsyncExitStack()
        self._project: ProjectTests | None = None
        self._model: Model | None = None
        self._store: ExperienceStore | None = None
        self._recorder: Recorder | None = None
        self._opening = threading.Lock()
        self._opening_project = asyncio.Lock()
        self._unreadable = False

    async def close(self) -> None:
        """Close everything that is open."""
        async with AsyncExitStack() as closing:
            if self._store is not None:
                closing.callback(self._store.close)
            closing.push_async_callback(self._sandbox_open.aclose)
            closing.push_async_callback(self._model_open.aclose)

    async def reconnect(self, model: str | None = None, *, sandbox: bool = True) -> None:
        """Let go of the model and the sandbox, e.g. after one of them died; files stay as they are.

        The next job finds or starts them anew, with the adapter that is then in use. `model` names
        another model for the rest of the session; without `sandbox` the sandbox is kept.
        """
        if model is not None:
            settings = self.context.settings
            chosen = replace(settings, model=replace(settings.model, name=model))
            self.context = self.context.with_settings(chosen)
        self._model = None
        await self._model_open.aclose()
        if sandbox:
            self._project = None
            await self._sandbox_open.aclose()

    async def project(self, emit: Emit, command: str | None) -> ProjectTests:
        """The project in the sandbox; `command` only counts the first time.

        Raises:
            SandboxError: If there is no engine, no image, or a dependency cannot be had.
        """
        async with self._opening_project:  # the tests before a turn and the turn may both need it
            if self._project is None:
                emit(StageStarted(PREPARING_SANDBOX))
                self._project = await self._sandbox_open.enter_async_context(
                    open_project(
                        self._workspace,
                        settings=self.context.settings.sandbox,
                        state_dir=make_private(self.context.paths.sandbox),
                        session=self._session,
                        command=command,
                        focus=self.context.focus,
                        say=lambda line: emit(Notice(line)),
                        approver=self._approver,
                    )
                )
                emit(StageStarted(SANDBOX_READY))
            return self._project

    async def model(self, emit: Emit) -> Model:
        """The model, with the adapter in use.

        Raises:
            ModelError: If there is no such model to talk to.
        """
        if self._model is None:
            emit(StageStarted(f"loading the model {self.context.settings.model.name}"))
            self._model = await self._model_open.enter_async_context(self._connection(emit))
        return self._model

    def _connection(self, emit: Emit) -> AbstractAsyncContextManager[HttpModel]:
        settings = self.context.settings.model
        active = AdapterStore(self._repository.adapters).active()
        return connect(
            settings.name,
            paths=self.context.paths,
            settings=settings,
            launcher=self.context.launcher,
            environ=self.context.environ,
            adapter=self._adapter_folder(active.name) if active else None,
            on_progress=lambda _text, elapsed_s: emit(Progress(elapsed_s, 0, "s")),
            on_notice=lambda text: emit(Notice(text)),
        )

    def _adapter_folder(self, name: str) -> AdapterFolder:
        return AdapterFolder(name=name, folder=AdapterStore(self._repository.adapters).path(name))

    def store(self) -> ExperienceStore:
        """The repository's experiences; from any thread.

        Raises:
            StoreError: If they cannot be opened.
        """
        with self._opening:
            if self._store is None:
                make_private(self._repository.home)
                self._store = ExperienceStore.open(
                    self._repository.experiences, home=self.context.environ.get("HOME", "")
                )
            return self._store

    @property
    def recorded(self) -> Recorder | None:
        """The recorder, if anything was recorded yet."""
        return self._recorder

    async def recorder(self, emit: Emit) -> Recorder | None:
        """The session's recorder; None if capture is off, or if nothing can be stored.

        That nothing can be stored is said once, and is no reason to end anything.
        """
        if self._unreadable or not self.context.settings.session.capture:
            return None
        if self._recorder is None:
            try:
                store = await asyncio.to_thread(self.store)
            except StoreError as err:
                self._unreadable = True
                emit(Notice(f"nothing is recorded in this session: {err}", "warning"))
                return None
            self._recorder = Recorder(
                store, repository=self.context.root.name, session=self._session
            )
        return self._recorder

    def advisor(self, project: ProjectTests, emit: Emit) -> Advisor:
        """Advice for failures here, within what the settings allow."""
        allowed = self.context.settings.agent

        def say(text: str) -> None:
            emit(Notice(text))

        return Advisor(
            environment=project.environment(self._repository.facts, say=say)
            if allowed.facts
            else None,
            lessons=self._lessons if allowed.memory == "hints" else tuple,
            say=say,
        )

    def trials(self, emit: Emit) -> Trials:
        """The trials of this repository; nothing is opened before it is needed.

        Raises:
            StoreError: If the experiences cannot be opened.
        """
        from agent.rounds.trial.opening import Trials

        return Trials(
            root=self.context.root,
            settings=self.context.settings,
            paths=self.context.paths,
            launcher=self.context.launcher,
            environ=self.context.environ,
            store=self.store(),
            project=lambda: self.project(emit, None),
            uses=self.uses().tasks,
        )

    def uses(self) -> LibraryUses:
        """The uses of library APIs for this repository's rounds; nothing is opened before it is needed."""
        from agent.rounds.old_code import old_code_failures
        from agent.rounds.uses import LibraryUses

        return LibraryUses(
            store=self.store,
            project=lambda emit: self.project(emit, None),
            folder=self._repository.contexts,
            old_code=lambda: old_code_failures(self._repository.tasks),
        )

    def _lessons(self) -> tuple[RepairLesson, ...]:
        return lessons_of(self.store().list(limit=MOST_EXPERIENCES))
