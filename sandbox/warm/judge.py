"""The two-process judge: code under test answers questions, and never sees what is expected.

The candidate is a process of its own in a warm box; it gets a function's arguments with random
ids and returns values as typed JSON. The check, a script of assertions that comes with the task,
runs in a second process of another user, in which the function is a proxy. Exit codes, prints,
patched assertions and objects that equal everything stay in the candidate's process, where they
decide nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace

from sandbox.box.contract import Captured
from sandbox.box.status import Status, VerdictTrust
from sandbox.warm.box import BoxRun
from sandbox.warm.outcome import ended_from_outside, messages
from sandbox.warm.pool import BoxFailedError, WarmSandbox
from sandbox.warm.values import NOTHING, ProgramLimits

_CHECK_WORDS = frozenset(
    {Status.PASS, Status.FAIL, Status.ERROR, Status.TAMPERED, Status.SANDBOX_ERROR}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTask:
    """A function and a script that checks it, as HumanEval and MBPP have them.

    The script runs in another process than the candidate. `candidate` and the entry point's name
    are the proxy there; if the script defines `check`, then `check(candidate)` is called.
    """

    source: str
    """The candidate: Python source that defines the function (prompt and completion together)."""
    entry_point: str
    check: str
    prelude: str = ""
    """The task's own code that the check may use, e.g. HumanEval's prompt with its helpers; run
    before the check, never the model's words."""
    limits: ProgramLimits = field(default_factory=ProgramLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeResult:
    """The judge's verdict on one candidate."""

    status: Status
    note: str = ""
    """First fault in one line; may hold the candidate's own words."""
    calls_made: int = 0
    stdout: Captured = NOTHING
    stderr: Captured = NOTHING
    duration_s: float = 0.0
    trust: VerdictTrust = VerdictTrust.JUDGE

    @property
    def passed(self) -> bool:
        """True if every answer was right."""
        return self.status is Status.PASS


async def score(sandbox: WarmSandbox, task: CheckTask) -> JudgeResult:
    """Judge one candidate. A fault of the sandbox, or of the check, comes back as `sandbox_error`.

    Raises:
        SandboxError: If the sandbox is not open, or the time limit is longer than a box's.
    """
    nonce = secrets.token_hex(16)
    candidate = {
        "kind": "answer",
        "source": task.source,
        "entry_point": task.entry_point,
        "nonce": "",
        "argv": [],
        "files": [],
        "env": {},
    }
    judge = {
        "kind": "check",
        "prelude": task.prelude,
        "check": task.check,
        "entry_point": task.entry_point,
        "nonce": nonce,
        "argv": [],
        "files": [],
        "env": {},
    }
    try:
        run = await sandbox.run_roles([candidate, judge], task.limits)
    except BoxFailedError as failure:
        return JudgeResult(status=Status.SANDBOX_ERROR, note=str(failure))
    status, note, calls = _verdict(run, nonce)
    return JudgeResult(
        status=status,
        note=note,
        calls_made=calls,
        stdout=run.stdout,
        stderr=run.stderr,
        duration_s=run.seconds,
    )


def _verdict(run: BoxRun, nonce: str) -> tuple[Status, str, int]:
    """Read the judge's verdict, then ask whether how the candidate ended explains it better.

    Both processes are ended together: a judge that outlives its candidate by a moment says that
    it left, where it was the time or the output that ended it.
    """
    candidate, why = ended_from_outside(replace(run, ended="exited"), 0)
    said = next((m for m in messages(run.reports[1]) if m.get("nonce") == nonce), None)
    if said is None:
        status, note = ended_from_outside(run, 1)
        if candidate is not None:
            status, note = candidate, why
        return status or Status.SANDBOX_ERROR, note or "the judge's process left no verdict", 0
    status, note, calls = Status(said["status"]), str(said["note"]), int(said["calls"])
    if status not in _CHECK_WORDS:
        return Status.SANDBOX_ERROR, "the judge's process left no verdict", calls
    if candidate is None and run.ended != "exited":
        candidate, why = ended_from_outside(run, 1)
    if status is not Status.PASS and candidate is not None:
        status, note = candidate, why
    return status, note, calls
