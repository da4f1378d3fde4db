"""One-shot hardened box: a fresh container for one command, gone when the command is.

The engine's SDK blocks, so each run has one worker thread that owns its connection, its container
and the removal of both; cancelling the run asks that thread to stop and waits until it has.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox.box.contract import Execution, Job, SandboxError
from sandbox.box.engine import engine_url
from sandbox.box.guardian import session_lock
from sandbox.box.oneshot import run_job
from sandbox.box.policy import BoxSpec
from sandbox.box.streams import STDERR

OnOutput = Callable[[bytes], None]


class DockerSandbox:
    """Runs each job in a fresh container of one image. Use as an async context manager.

    The session's lock is held while it is open, so that others can tell living boxes from
    leftovers.
    """

    def __init__(
        self,
        image_id: str,
        *,
        session: str,
        lock_dir: Path,
        runtime: str | None = None,
    ) -> None:
        self._image_id = image_id
        self._session = session
        self._lock_dir = lock_dir
        self._runtime = runtime
        self._open = ExitStack()
        self._lock: Path | None = None
        self._url = ""

    async def __aenter__(self) -> Self:
        self._url = engine_url()
        self._lock = self._open.enter_context(session_lock(self._lock_dir, self._session))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()
        self._lock = None

    async def run(
        self,
        job: Job,
        *,
        on_output: OnOutput | None = None,
        on_stderr: OnOutput | None = None,
    ) -> Execution:
        """Run one command to its end in a fresh box and remove the box.

        Raises:
            SandboxError: If no answer can be given, e.g. the engine died.
        """
        if self._lock is None:
            raise SandboxError("the sandbox is not open: use it as a context manager")
        relay = OutputRelay(asyncio.get_running_loop(), on_output, on_stderr)
        stop = threading.Event()
        work = asyncio.ensure_future(
            asyncio.to_thread(
                run_job,
                self._url,
                job,
                self._spec(),
                relay=relay.send,
                stopped=stop.is_set,
            )
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()
            await finished(work)
            raise

    def _spec(self) -> BoxSpec:
        return BoxSpec(
            image_id=self._image_id,
            runtime=self._runtime,
            labels={"session": self._session, "lock": str(self._lock), "kind": "box"},
        )


async def finished(work: asyncio.Future[Any]) -> None:
    """Wait for the worker, however often somebody cancels the waiting."""
    while not work.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({work})
    if not work.cancelled():
        work.exception()


class OutputRelay:
    """Hands output from the worker thread to the event loop, one piece at a time.

    The thread waits until a piece was taken: a flood waits in the box, not in our memory.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_output: OnOutput | None,
        on_stderr: OnOutput | None,
    ) -> None:
        self._loop = loop
        self._on_output = on_output
        self._on_stderr = on_stderr

    def send(self, stream: int, data: bytes) -> None:
        """Call the callback in the event loop; what it raises is raised here."""
        callback = self._on_stderr if stream == STDERR and self._on_stderr else self._on_output
        if callback is None:
            return
        taken: Future[None] = Future()
        self._loop.call_soon_threadsafe(_take, callback, data, taken)
        taken.result()


def _take(callback: OnOutput, data: bytes, taken: Future[None]) -> None:
    try:
        callback(data)
    except Exception as error:  # noqa: BLE001  (it is handed on, to the worker that called)
        taken.set_exception(error)
    else:
        taken.set_result(None)
