"""A sandbox that notes each run, and that stops for good when the engine keeps failing.

There is no fallback: with a dead engine nothing runs, least of all on the host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sandbox.contract import EngineUnavailableError, Execution, Job, Sandbox, SandboxError
from sandbox.ledger import RunLedger

MAX_FAILURES = 3


class GuardedSandbox:
    """Wraps another sandbox for one session. Implements `Sandbox`."""

    def __init__(self, inner: Sandbox, ledger: RunLedger, *, session: str) -> None:
        self._inner = inner
        self._ledger = ledger
        self._session = session
        self._steps = 0
        self._failures = 0

    async def run(
        self,
        job: Job,
        *,
        on_output: Callable[[bytes], None] | None = None,
        on_stderr: Callable[[bytes], None] | None = None,
    ) -> Execution:
        """Run one command as the sandbox inside does.

        Raises:
            EngineUnavailableError: After three failures of the engine in a row, without trying.
            SandboxError: If no answer can be given.
        """
        if self._failures >= MAX_FAILURES:
            raise EngineUnavailableError(
                f"the Docker engine failed {MAX_FAILURES} times in a row, so nothing is run any "
                "more in this session: see that `docker version` answers, then start again"
            )
        self._steps += 1
        step = self._steps
        self._ledger.create(self._session, step)
        self._ledger.move(self._session, step, to="running")
        try:
            execution = await self._inner.run(job, on_output=on_output, on_stderr=on_stderr)
        except EngineUnavailableError:
            self._failures += 1
            self._ledger.move(self._session, step, to="sandbox_error")
            raise
        except SandboxError:
            self._ledger.move(self._session, step, to="sandbox_error")
            raise
        except asyncio.CancelledError:
            self._ledger.move(self._session, step, to="cancelled")
            raise
        self._failures = 0
        self._ledger.move(self._session, step, to=execution.ending.value)
        return execution
