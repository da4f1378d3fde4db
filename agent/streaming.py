"""Turns work that reports through a callback into an iterator of events."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable

from agent.events import Event

Emit = Callable[[Event], None]


async def stream_events(work: Callable[[Emit], Awaitable[None]]) -> AsyncGenerator[Event, None]:
    """Run `work` and yield what it emits, in order; its exception follows its last event.

    When the consumer is cancelled or closes the iterator, the work is cancelled and has ended its
    own clean-up before this returns. `emit` may be called from any thread.
    """
    queue: asyncio.Queue[Event | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    home = threading.get_ident()

    def emit(event: Event) -> None:
        if threading.get_ident() == home:
            queue.put_nowait(event)
        else:
            loop.call_soon_threadsafe(queue.put_nowait, event)

    async def run() -> None:
        try:
            await work(emit)
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(run())
    try:
        while (event := await queue.get()) is not None:
            yield event
        await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # marks it as seen when the consumer has left
