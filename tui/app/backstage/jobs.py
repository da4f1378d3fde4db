"""Runs the jobs of a conversation one after the other; each can be interrupted at any moment."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.events import Event
from tui.app.backstage.faults import say_fault


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentJob:
    """A piece of work of the agent that gives events, such as a turn or a test run."""

    title: str
    events: Callable[[], AsyncGenerator[Event, None]]
    said: str = ""
    """The typed line that asked for the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnding:
    """The end of a job."""

    kind: Literal["done", "interrupted", "failed", "fault"]
    text: str = ""
    lost: Literal["", "model", "sandbox", "something"] = ""
    """The part that may have died; a new start of that part may help."""


class Jobs:
    """A queue with at most one job running."""

    def __init__(self, log_file: Path) -> None:
        self._log_file = log_file
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
        """Put the job at the end of the queue."""
        self._waiting.append(job)
        self._wake.set()

    def interrupt(self) -> bool:
        """Stop the running job at once; the next one follows. False if none was running."""
        if self._task is None:
            return False
        if not self._task.cancelling():  # its clean-up is not to be cut short
            self._task.cancel()
        return True

    async def next(self) -> AgentJob:
        """Take the first job of the queue; wait until there is one."""
        while not self._waiting:
            self._wake.clear()
            await self._wake.wait()
        self.last = self._waiting.popleft()
        return self.last

    async def run(self, job: AgentJob, take: Callable[[Event], None]) -> JobEnding:
        """Run the job, and give each of its events to `take`."""
        self._task = asyncio.create_task(self._run(job, take))
        try:
            return await _ended(self._task)
        finally:
            self._task = None

    async def _run(self, job: AgentJob, take: Callable[[Event], None]) -> JobEnding:
        from agent.errors import EXPECTED, lost_part

        try:
            async with aclosing(job.events()) as events:
                async for event in events:
                    take(event)
        except EXPECTED as err:
            return JobEnding(kind="failed", text=str(err), lost=lost_part(err))
        except Exception as err:  # noqa: BLE001 - the outer edge of a task: logged and shown
            return JobEnding(kind="fault", text=say_fault(err, self._log_file), lost="something")
        return JobEnding(kind="done")


async def _ended(task: asyncio.Task[JobEnding]) -> JobEnding:
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:  # the app closes; nobody interrupted the job
        task.cancel()
        await asyncio.wait([task])
        raise
    return JobEnding(kind="interrupted") if task.cancelled() else task.result()
