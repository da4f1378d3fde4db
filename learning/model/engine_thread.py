"""Runs one engine in threads of its own and serves an event loop, first come, first served."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
Cancelled = Callable[[], bool]


class EngineThread:
    """Runs the calls of the engine, one after the other unless it takes several at once."""

    def __init__(self, at_once: int = 1) -> None:
        self._executor = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="engine")

    async def call(self, work: Callable[[], T]) -> T:
        """Run one piece of work when its turn comes and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def stream(
        self, start: Callable[[Cancelled], Iterator[T]], *, until: asyncio.Task[None]
    ) -> AsyncGenerator[T]:
        """Items as the engine makes them, until all are made or `until` is done.

        Closing this generator or the end of `until` cancels the work.
        """
        loop = asyncio.get_running_loop()
        items: asyncio.Queue[T | None] = asyncio.Queue()
        cancelled = threading.Event()

        def put(item: T | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(items.put_nowait, item)

        def work() -> None:
            try:
                if not cancelled.is_set():
                    for item in start(cancelled.is_set):
                        put(item)
            finally:
                put(None)

        future = loop.run_in_executor(self._executor, work)
        future.add_done_callback(_retrieve)
        until.add_done_callback(lambda _: items.put_nowait(None))
        try:
            while (item := await items.get()) is not None:
                yield item
            if not until.done():
                await future
        finally:
            cancelled.set()

    def close(self) -> None:
        """Drop waiting work and end after the work in progress."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _retrieve(future: asyncio.Future[None]) -> None:
    """Mark an error as retrieved if nobody awaits it after a disconnect."""
    if not future.cancelled():
        future.exception()
