"""Runs the jobs of a conversation one after the other; each can be interrupted at any moment."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, Protocol

from agent.events import Event
from tui.app.backstage.contract import Agent


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentJob:
    """Something that the agent does for a while."""

    title: str
    events: Callable[[Agent], AsyncGenerator[Event, None]]
    said: str = ""
    """What the person typed for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnding:
    """How a job ended."""

    kind: Literal["done", "interrupted", "failed", "fault"]
    text: str = ""
    lost: Literal["", "model", "sandbox", "something"] = ""
    """What may have died; starting it anew and trying again may help."""


class Shows(Protocol):
    """Whoever shows what a job does."""

    async def job_began(self, job: AgentJob) -> None: ...

    async def job_event(self, event: Event) -> None: ...

    async def job_ended(self, job: AgentJob, outcome: JobEnding) -> None: ...


class Jobs:
    """A queue with at most one job running."""

    def __init__(self, shows: Shows, on_fault: Callable[[Exception], str]) -> None:
        self._shows = shows
        self._on_fault = on_fault
        self._waiting: deque[AgentJob] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[JobEnding] | None = None
        self.last: AgentJob | None = None

    @property
    def busy(self) -> bool:
        return self._task is not None or bool(self._waiting)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def submit(self, job: AgentJob) -> None:
        """Do it now, or as soon as what came before it is done."""
        self._waiting.append(job)
        self._wake.set()

    def interrupt(self) -> bool:
        """Stop the running job at once; what waits comes next. Whether there was one."""
        if self._task is None:
            return False
        if not self._task.cancelling():  # its clean-up is not to be cut short
            self._task.cancel()
        return True

    async def serve(self, agent: Agent) -> None:
        """Run jobs until cancelled."""
        while True:
            await self._wake.wait()
            if not self._waiting:
                self._wake.clear()
                continue
            job = self._waiting.popleft()
            self.last = job
            await self._shows.job_began(job)
            self._task = asyncio.create_task(self._run(agent, job))
            try:
                outcome = await self._ended(self._task)
            finally:
                self._task = None
            await self._shows.job_ended(job, outcome)

    @staticmethod
    async def _ended(task: asyncio.Task[JobEnding]) -> JobEnding:
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:  # we are being closed, not the job
            task.cancel()
            await asyncio.wait([task])
            raise
        return JobEnding(kind="interrupted") if task.cancelled() else task.result()

    async def _run(self, agent: Agent, job: AgentJob) -> JobEnding:
        from agent.errors import AgentError
        from learning.errors import LearningError
        from sandbox.box.contract import SandboxError

        try:
            async with aclosing(job.events(agent)) as events:
                async for event in events:
                    await self._shows.job_event(event)
        except (AgentError, LearningError, SandboxError) as err:
            return JobEnding(kind="failed", text=str(err), lost=_lost(err))
        except Exception as err:  # noqa: BLE001 - the outer edge of a task: logged and shown
            return JobEnding(kind="fault", text=self._on_fault(err), lost="something")
        return JobEnding(kind="done")


def _lost(err: Exception) -> Literal["", "model", "sandbox"]:
    from agent.model.protocol import ModelError
    from sandbox.box.contract import SandboxError

    if isinstance(err, SandboxError):
        return "sandbox"
    return "model" if isinstance(err, ModelError) else ""
