"""The part of a worker that runs on a machine of the cluster: opens work there and makes its rows.

What is expected to go wrong comes back as a value, so that the one sentence about it arrives.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic

from agent.errors import EXPECTED, lost_part
from lab.cluster.crew import Report
from lab.rows.place import Place
from lab.rows.work import Opened, Work
from learning.evaluation.rows import Key, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """No answer, and why."""

    reason: str
    elsewhere: bool
    """True if the model or the sandbox of this machine is gone: another machine may have an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made(Generic[Row]):
    """One finished row."""

    row: Row


class NodeWorker(Generic[Key, Row]):
    """Holds opened work; every method is called from one event loop."""

    def __init__(self) -> None:
        self._closing = asyncio.Event()
        self._holding: asyncio.Task[None] | None = None
        self._opened: Opened[Key, Row] | None = None
        self._making: set[asyncio.Future[Row]] = set()

    async def open(self, work: Work[Key, Row]) -> Report | Failed:
        """Open work as a run on this machine would; see `lab.rows.work.Work.open`."""
        ready: asyncio.Future[Opened[Key, Row]] = asyncio.get_running_loop().create_future()
        self._holding = asyncio.create_task(self._hold(work, ready))
        try:
            self._opened = await ready
        except EXPECTED as err:
            return Failed(reason=str(err), elsewhere=True)
        return Report(manifest=self._opened.manifest, recipe=self._opened.recipe)

    async def make(self, key: Key) -> Made[Row] | Failed:
        """Make one row."""
        assert self._opened is not None  # noqa: S101 - nothing is asked before it is open
        making = asyncio.ensure_future(self._opened.make(key))
        self._making.add(making)
        try:
            return Made(row=await making)
        except EXPECTED as err:
            return Failed(reason=str(err), elsewhere=bool(lost_part(err)))
        finally:
            self._making.discard(making)

    async def close(self) -> None:
        """Give up what is in the making and close the work, so that no box or server stays behind."""
        for making in self._making:
            making.cancel()
        await asyncio.gather(*self._making, return_exceptions=True)
        self._closing.set()
        if self._holding is not None:
            with suppress(*EXPECTED):
                await self._holding

    async def _hold(self, work: Work[Key, Row], ready: asyncio.Future[Opened[Key, Row]]) -> None:
        """Enter and leave the work in one task, as its contexts need."""
        try:
            async with work.open(Place.here()) as opened:
                ready.set_result(opened)
                await self._closing.wait()
        except BaseException as err:
            if ready.done():
                raise
            ready.set_exception(err)
