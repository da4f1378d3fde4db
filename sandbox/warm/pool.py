"""Warm boxes for the event loop: started when needed, replaced when used up, dirty or broken."""

from __future__ import annotations

import asyncio
import base64
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox.box.contract import Limits, SandboxError
from sandbox.box.docker_box import OutputRelay, finished
from sandbox.box.engine import engine_url
from sandbox.box.guardian import session_lock
from sandbox.box.policy import BoxSpec
from sandbox.box.status import Status
from sandbox.warm.box import BoxRun, Relay, WarmBox, packed, server_source
from sandbox.warm.outcome import program_result
from sandbox.warm.values import BOX_LIMITS, PROGRAMS_PER_BOX, Program, ProgramLimits, ProgramResult

OnOutput = Callable[[bytes], None]


class WarmSandbox:
    """Runs many small programs, `boxes` of them at once. Use as an async context manager.

    Boxes start with the first programs and live until it is closed. The session's lock is held
    while it is open, so that others can tell living boxes from leftovers.
    """

    def __init__(
        self,
        image_id: str,
        *,
        session: str,
        lock_dir: Path,
        runtime: str | None = None,
        boxes: int = 1,
        limits: Limits = BOX_LIMITS,
        programs_per_box: int = PROGRAMS_PER_BOX,
    ) -> None:
        self._image_id = image_id
        self._session = session
        self._lock_dir = lock_dir
        self._runtime = runtime
        self._limits = limits
        self._programs_per_box = programs_per_box
        self._open = ExitStack()
        self._slots = [Slot() for _ in range(boxes)]
        self._free: asyncio.LifoQueue[Slot] = asyncio.LifoQueue()
        self._lock: Path | None = None
        self._url = ""

    async def __aenter__(self) -> Self:
        self._url = engine_url()
        self._lock = self._open.enter_context(session_lock(self._lock_dir, self._session))
        self._free = asyncio.LifoQueue()
        for slot in self._slots:
            self._free.put_nowait(slot)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock = None
        closing = asyncio.ensure_future(asyncio.to_thread(self._close))
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await finished(closing)
            raise

    def _close(self) -> None:
        with self._open:
            for slot in self._slots:
                slot.close()

    async def run_program(
        self,
        program: Program,
        *,
        on_output: OnOutput | None = None,
        on_stderr: OnOutput | None = None,
    ) -> ProgramResult:
        """Run one program as a fresh process of a fresh user in a fresh directory.

        Whatever the sandbox does comes back as a value: a box that failed is `sandbox_error`,
        never evidence about the program. When the awaiting task is cancelled, the program is
        ended before the cancellation propagates.

        Raises:
            SandboxError: If the sandbox is not open, or the program's files or time are not
                what a box takes.
        """
        nonce = secrets.token_hex(16)
        role = program_role(program) | {"nonce": nonce}
        try:
            run = await self.run_roles(
                [role], program.limits, on_output=on_output, on_stderr=on_stderr
            )
        except BoxFailedError as failure:
            return ProgramResult(status=Status.SANDBOX_ERROR, note=str(failure))
        return program_result(run, nonce=nonce, is_source=not program.argv)

    async def run_roles(
        self,
        roles: Sequence[Mapping[str, Any]],
        limits: ProgramLimits,
        *,
        on_output: OnOutput | None = None,
        on_stderr: OnOutput | None = None,
    ) -> BoxRun:
        """Run a program, or a candidate and its judge side by side, in the next free box.

        Raises:
            BoxFailedError: If the box failed.
            SandboxError: As `run_program`.
        """
        if self._lock is None:
            raise SandboxError("the sandbox is not open: use it as a context manager")
        if limits.timeout_s > self._limits.timeout_s / 2:
            raise SandboxError(
                f"a program of {limits.timeout_s:g} s does not fit into a warm box:"
                f" give it at most {self._limits.timeout_s / 2:g} s, or a box of its own"
            )
        relay: Relay | None = None
        if on_output is not None or on_stderr is not None:
            relay = OutputRelay(asyncio.get_running_loop(), on_output, on_stderr).send
        slot = await self._free.get()
        stop = threading.Event()
        work = asyncio.ensure_future(
            asyncio.to_thread(
                slot.run, self._fresh_box, roles, limits, relay=relay, stopped=stop.is_set
            )
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()
            await finished(work)
            raise
        finally:
            self._free.put_nowait(slot)

    def _fresh_box(self) -> WarmBox:
        spec = BoxSpec(
            image_id=self._image_id,
            runtime=self._runtime,
            labels={"session": self._session, "lock": str(self._lock), "kind": "warm"},
            server=server_source(),
        )
        return WarmBox(self._url, spec, self._limits, programs=self._programs_per_box)


class BoxFailedError(SandboxError):
    """The box died, hung or could not be started."""


class Slot:
    """The place of one box, used by one thread at a time."""

    def __init__(self) -> None:
        self._box: WarmBox | None = None

    def run(
        self,
        fresh_box: Callable[[], WarmBox],
        roles: Sequence[Mapping[str, Any]],
        limits: ProgramLimits,
        *,
        relay: Relay | None,
        stopped: Callable[[], bool],
    ) -> BoxRun:
        """Run in the box that is here, or in a new one if that has served its time.

        Raises:
            BoxFailedError: If the box failed; it is gone then.
        """
        try:
            if self._box is not None and not self._box.serves(limits.timeout_s):
                self.close()
            if self._box is None:
                self._box = fresh_box().__enter__()
            return self._box.run(roles, limits, relay=relay, stopped=stopped)
        except SandboxError as error:
            with suppress(SandboxError):
                self.close()
            raise BoxFailedError(str(error)) from error
        except BaseException:  # a callback of the caller failed: the box is in the midst of a run
            self.close()
            raise

    def close(self) -> None:
        """Remove the box, if there is one."""
        box, self._box = self._box, None
        if box is not None:
            box.__exit__(None, None, None)


def program_role(program: Program) -> dict[str, Any]:
    """Return a program as orders for its process.

    Raises:
        TransferError: If one of its files may not be copied into a box.
    """
    return {
        "kind": "program",
        "source": program.source,
        "argv": list(program.argv),
        "files": packed(program.files),
        "env": dict(program.env),
        "stdin": base64.b64encode(program.stdin).decode("ascii"),
    }
