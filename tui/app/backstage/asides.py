"""Short tasks beside the conversation; a new task replaces the earlier one of the same name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Asides:
    """At most one task of each name; a new one cancels the one before."""

    def __init__(self, guard: Callable[[Awaitable[None]], Awaitable[None]]) -> None:
        self._guard = guard
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    def run(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Begin the work; do nothing after `close`."""
        if self._closed:
            return
        if (before := self._tasks.get(name)) is not None:
            before.cancel()
        self._tasks[name] = asyncio.create_task(self._run(work))

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        await self._guard(work())

    async def close(self) -> None:
        """Cancel all tasks, and wait until they have ended."""
        self._closed = True
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
