"""Notes each run of a sandbox, and stops for good when the engine keeps failing.

There is no fallback: with a dead engine nothing runs, least of all on the host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from sandbox.box.contract import (
    Ending,
    EngineUnavailableError,
    Execution,
    Job,
    Sandbox,
    SandboxError,
)
from sandbox.box.ledger import RunLedger
from sandbox.box.status import Status

MAX_FAILURES = 3
_NOT_FOUND_CODES = (126, 127)
_LONGEST_LABEL = 60
_ENDED = {
    Ending.TIMEOUT: Status.TIMEOUT,
    Ending.OOM: Status.OOM,
    Ending.OUTPUT_LIMIT: Status.OUTPUT_LIMIT,
    Ending.CANCELLED: Status.CANCELLED,
}


class AccountedSandbox:
    """Wraps another sandbox for one session. Implements `Sandbox`."""

    def __init__(
        self, inner: Sandbox, ledger: RunLedger, *, session: str, project: str = ""
    ) -> None:
        self._inner = inner
        self._ledger = ledger
        self._session = session
        self._project = project
        self._steps = ledger.last_step(session)  # a resumed session goes on, it repeats nothing
        self._failures = 0

    async def run(
        self,
        job: Job,
        *,
        on_output: Callable[[bytes], None] | None = None,
        on_stderr: Callable[[bytes], None] | None = None,
    ) -> Execution:
        """Run one command in the wrapped sandbox, and note its status in the list of runs.

        The status of a judged job stays open for the verdict, which `Execution.note` takes.

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
        label = job.label or _program(job)
        self._ledger.create(self._session, step, label=label, project=self._project)
        self._ledger.start(self._session, step)

        def note(status: Status) -> None:
            self._ledger.finish(self._session, step, status=status)

        try:
            execution = await self._inner.run(job, on_output=on_output, on_stderr=on_stderr)
        except SandboxError as error:
            self._failures += isinstance(error, EngineUnavailableError)
            note(Status.SANDBOX_ERROR)
            raise
        except asyncio.CancelledError:
            note(Status.CANCELLED)
            raise
        self._failures = 0
        if job.judged:
            return replace(execution, note=note)
        note(program_status(execution))
        return execution


def _program(job: Job) -> str:
    """Return the name of a job's program; arguments may hold secrets and are not noted."""
    return PurePosixPath(next(iter(job.argv), "")).name[:_LONGEST_LABEL]


def program_status(execution: Execution) -> Status:
    """Read a verdict from the end of one plain program; exit code 0 is a pass at `Trust.PLAIN` only."""
    if execution.ending is not Ending.EXITED:
        return _ENDED[execution.ending]
    code = execution.exit_code or 0
    if code < 0:
        return Status.CRASH_SIGNAL
    if code in _NOT_FOUND_CODES:
        return Status.ERROR
    return Status.FAIL if code else Status.PASS
