"""Translates a finished run into the statuses of `sandbox.box.status`."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from typing import Any

from sandbox.box.network import wants_network
from sandbox.box.status import Status
from sandbox.warm.box import BoxRun
from sandbox.warm.inside.frames import SETTLED
from sandbox.warm.values import ProgramResult

_TEXT = 2000
_OUTSIDE = {
    "timeout": (Status.TIMEOUT, "it did not end in time"),
    "output_limit": (Status.OUTPUT_LIMIT, "it printed or sent more than it may"),
    "cancelled": (Status.CANCELLED, "it was cancelled"),
}


def program_result(run: BoxRun, *, nonce: str, is_source: bool) -> ProgramResult:
    """Return the result of one program."""
    exit_code = run.statuses[0]
    reports = messages(run.reports[0])
    status, note = ended_from_outside(run, 0)
    exception = ""
    if status is None and is_source:
        status, exception, note = _source_status(reports, nonce, exit_code)
    elif status is None:
        status, note = Status.PASS, ""
        if exit_code:
            wanted = wants_network(run.stderr.text[-_TEXT:])
            status = Status.NEEDS_NETWORK if wanted else Status.FAIL
            note = f"it ended with exit code {exit_code}"
    told = exit_code if run.ended == "exited" and status is not Status.OOM else None
    return ProgramResult(
        status=status,
        exit_code=told,
        stdout=run.stdout,
        stderr=run.stderr,
        duration_s=run.seconds,
        exception=exception,
        note=note,
        clean=run.clean,
    )


def _source_status(
    reports: Sequence[dict[str, Any]], nonce: str, exit_code: int | None
) -> tuple[Status, str, str]:
    """Return the status of Python source, the exception it raised, and why it is not a pass."""
    mine = [report for report in reports if report.get("nonce") == nonce]
    for report in mine:
        if isinstance(report.get("raised"), list) and report["raised"]:
            name, text = raised(report["raised"])
            said = f"{name}: {text}" if text else name
            if name == "AssertionError":
                return Status.FAIL, name, said
            return Status.NEEDS_NETWORK if wants_network(said) else Status.ERROR, name, said
    if exit_code:
        return Status.FAIL, "", f"it ended with exit code {exit_code}"
    if not any(report.get("end") is True for report in mine):
        return Status.FAIL, "", "it ended with exit code 0 before its last line"
    return Status.PASS, "", ""


def ended_from_outside(run: BoxRun, index: int) -> tuple[Status | None, str]:
    """Return the status of a process that did not end by its own decision, and a line about it."""
    if run.ended != "cancelled" and SETTLED not in run.reports[index][:1]:
        return Status.SANDBOX_ERROR, f"the process was not set up: {_fault(run, index)}"[:_TEXT]
    if run.ended != "exited":
        return _OUTSIDE[run.ended]
    exit_code = run.statuses[index]
    if exit_code != 0 and run.oom_kills > 0:
        return Status.OOM, "the kernel ended it for memory"
    if exit_code is not None and exit_code < 0:
        if exit_code == -signal.SIGXCPU:
            return Status.TIMEOUT, "it used up its processor time"
        return Status.CRASH_SIGNAL, f"it was ended by {_signal_name(-exit_code)}"
    return None, ""


def _fault(run: BoxRun, index: int) -> str:
    """Return why a process did not reach its own code; only our part has reported then."""
    told = (str(report["fault"]) for report in messages(run.reports[index]) if "fault" in report)
    return next(told, "it never said that it was")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def messages(frames: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the frames that are messages; untrusted code may have sent any bytes."""
    found = []
    for frame in frames:
        try:
            message = json.loads(frame)
        except (ValueError, RecursionError):
            continue
        if isinstance(message, dict):
            found.append(message)
    return found


def raised(words: Sequence[object]) -> tuple[str, str]:
    """Return class and message of a reported exception."""
    name, text = (*[str(word) for word in words[:2]], "", "")[:2]
    return name[:200], text[:_TEXT]
