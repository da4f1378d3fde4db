"""The agent behind the app: opened after the first paint, closed after the last."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.box.children import in_thread
from tui.app.standing import read_git
from tui.app.transcript.entries import FailureEntry

if TYPE_CHECKING:
    from tui.app.app import ElagentApp
    from tui.app.backstage.contract import Agent, OpenAgent


class Backstage:
    """Holds the opened repository, and what is known of its files."""

    def __init__(self, app: ElagentApp, open_agent: OpenAgent) -> None:
        self._app = app
        self._open_agent = open_agent
        self._agent: Agent | None = None
        self._closing = contextlib.AsyncExitStack()
        self._task: asyncio.Task[None] | None = None
        self._start: asyncio.Task[str] | None = None
        self._switch_wanted = False
        self.opened = asyncio.Event()
        self.files: list[str] = []

    @property
    def agent(self) -> Agent:
        """The opened repository; whoever uses it waits for `opened` first."""
        assert self._agent is not None  # noqa: S101 - see above
        return self._agent

    def begin(self) -> None:
        """Open the repository and work off the jobs, without keeping anyone waiting."""
        self._task = asyncio.create_task(self._serve())
        self.look_at_files()

    async def _serve(self) -> None:
        app = self._app
        try:
            # What it imports takes its time; in a thread the keyboard does not wait for it.
            opened = await asyncio.to_thread(self._open_agent, app.shows)
            self._agent = await self._closing.enter_async_context(opened)
        except Exception as err:  # noqa: BLE001 - the outer edge of a task: logged and shown
            await app.add(FailureEntry(self.fault(err)))
            return
        for said in self._agent.news():
            await app.answer(said)
        self._start = asyncio.create_task(
            in_thread(self._agent.workspace.snapshot, "start of the conversation")
        )
        self.opened.set()
        app.learner.begin()
        await app.jobs.serve(self._agent)

    async def start_snapshot(self) -> str:
        """The state of the files when the conversation began."""
        assert self._start is not None  # noqa: S101 - set before `opened`
        return await self._start

    async def close(self) -> None:
        """End what runs and give everything back."""
        running = [task for task in (self._task, self._start) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._closing.aclose()

    def fault(self, err: Exception) -> str:
        """Log a fault of our own; gives the sentence for the person."""
        import traceback

        from agent.session.logs import append_fault

        text = "".join(traceback.format_exception(err))
        place = append_fault(self._app.where.paths.log_file, text)
        details = f"; details in {place}" if place else ""
        return f"a fault in elagent itself: {type(err).__name__}: {err}{details}"

    def look_at_files(self) -> None:
        """Ask again for the branch, and for the files that can be completed."""
        self._app.beside(self._look_at_files, group="files")

    async def _look_at_files(self) -> None:
        app = self._app
        branch, dirty = await in_thread(read_git, app.where.root, os.environ)
        app.status.show(replace(app.standing, branch=branch, dirty=dirty))
        await self.opened.wait()
        self.files = await in_thread(self.agent.workspace.list_files)

    def switch_when_idle(self) -> None:
        """Another adapter is in use: connect again, but never under a reply in flight."""
        self._switch_wanted = True
        if not self._app.jobs.busy:
            self._app.beside(self.switch_now, group="switch")

    async def switch_now(self) -> None:
        """Between two jobs: connect to the model again if another adapter is in use."""
        if self._switch_wanted:
            self._switch_wanted = False
            await self.agent.reconnect(sandbox=False)
        self._app.learner.look()

    async def retry(self) -> None:
        """Let go of what broke, and do the last job again."""
        app = self._app
        await app.answer("starting the model server and the sandbox anew")
        await app.guarded(self.agent.reconnect())
        if app.jobs.last is not None:
            app.jobs.submit(app.jobs.last)
