"""Tells what is waited for while a reply does not come, and when to give up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from agent.errors import ReplyTimeoutError
from agent.model.answer import Answer
from agent.model.http_client import Endpoint
from agent.model.process_work import ProcessWork, work_of
from agent.model.protocol import Waiting

_STARVED_SHARE = 0.2
"""Share of one processor; less than this is no pace for a model that computes."""
_IDLE_SHARE = 0.01
"""Share of one processor that a server takes that only looks whether it is still wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Limits of waiting, and the number of tries before the first token."""

    connect_s: float = 5.0
    first_token_s: float = 900.0
    """Reading a long prompt takes minutes without a GPU."""
    next_token_s: float = 120.0
    attempts: int = 4
    backoff_s: float = 0.5
    loading_s: float = 600.0
    """A server that says that it loads its model is asked again for so long."""
    count_s: float = 20.0
    """A prompt that is not counted by then is estimated."""
    tell_s: float = 10.0
    """After so long without a token the person is told what is waited for, again and again."""
    idle_s: float = 60.0
    """A server of ours that does no work at all for so long hangs."""


@dataclass(kw_only=True, slots=True)
class Watch:
    """Says for what is waited; looks at the server's process, where it is ours."""

    endpoint: Endpoint
    answer: Answer
    patience: Patience
    work: Callable[[int], ProcessWork | None] = work_of
    clock: Callable[[], float] = time.monotonic
    _last: tuple[float, ProcessWork] | None = None
    _busy_at: float = 0.0

    def came(self) -> None:
        """A piece came."""
        self._last = None

    def looked(self) -> str:
        """Say what is waited for, after a while in which nothing came.

        Raises:
            ReplyTimeoutError: If the server's process does nothing any more.
        """
        work = self.work(self.endpoint.pid) if self.endpoint.pid else None
        if work is None:
            return self._usual()
        now, last = self.clock(), self._last
        self._last = (now, work)
        if last is None:
            self._busy_at = now
            return self._usual()
        done = work.since(last[1])
        share = done.cpu_s / max(now - last[0], 1e-3)
        idle = share <= _IDLE_SHARE and not done.page_reads
        self._busy_at = self._busy_at if idle else now
        if now - self._busy_at >= self.patience.idle_s:
            raise ReplyTimeoutError(self._hangs(now - self._busy_at))
        if idle:
            return f"{self._usual()}; its server (process {self.endpoint.pid}) does nothing"
        if share < _STARVED_SHARE:
            return f"{self._usual()}; its server hardly gets processor time: the machine is busy"
        return self._usual()

    def _usual(self) -> str:
        name = self.endpoint.name
        if self.answer.began:
            return f"waiting for {name} to go on with its reply"
        if self.answer.thought:
            return f"waiting for {name}, which thinks before it answers"
        return f"waiting for the first word of {name}: it reads the prompt, or answers others first"

    def _hangs(self, idle_s: float) -> str:
        return (
            f"the model server (process {self.endpoint.pid}) hangs: it has done no work for "
            f"{idle_s:.0f} s and sent nothing. End it with `kill -9 {self.endpoint.pid}`, then "
            "run the command again; a new one is started"
        )


async def with_waits(
    pieces: AsyncGenerator[str, None],
    watch: Watch,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[str | Waiting, None]:
    """The pieces, and what is waited for whenever none came for a while.

    Raises:
        ReplyTimeoutError: If waiting on is of no use.
    """
    async with aclosing(pieces):
        while True:
            since = clock()
            coming = asyncio.ensure_future(anext(pieces, None))
            try:
                while not (await asyncio.wait({coming}, timeout=watch.patience.tell_s))[0]:
                    yield Waiting(reason=watch.looked(), elapsed_s=clock() - since)
            finally:
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait({coming})
            piece = coming.result()
            if piece is None:
                return
            watch.came()
            yield piece
