"""The two-process judge: code under test answers questions, and never sees what is expected.

The candidate is a process of its own in a warm box; it gets a function's arguments with random
ids and returns values as typed JSON. *Calls* are compared here, on the host, by type and value.
A *check* (a script of assertions that comes with the task) runs in a second process of another
user, in which the function is a proxy. Exit codes, prints, patched assertions and objects that
equal everything stay in the candidate's process, where they decide nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, assert_never

from sandbox.box.contract import Captured, SandboxError
from sandbox.box.status import Status, Trust
from sandbox.warm.answers import display, same
from sandbox.warm.box import Run
from sandbox.warm.inside.codec import CodecError, encode
from sandbox.warm.outcome import ended_from_outside, messages, raised
from sandbox.warm.pool import BoxFailedError, WarmSandbox
from sandbox.warm.values import NOTHING, ProgramLimits

_TEXT = 500
_CHECK_WORDS = frozenset(
    {Status.PASS, Status.FAIL, Status.ERROR, Status.TAMPERED, Status.SANDBOX_ERROR}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One question and its answer.

    Values are built from None, bool, int, float, complex, str, bytes, bytearray, list, tuple, set,
    frozenset, dict and range.
    """

    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    expected: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTask:
    """A function and what it must return. The expected values never enter the box."""

    source: str
    """The candidate: Python source that defines the function."""
    entry_point: str
    calls: Sequence[Call]
    tolerance: float = 0.0
    """How far a float may be off, absolutely and relatively; 0 means exactly equal."""
    limits: ProgramLimits = field(default_factory=ProgramLimits)


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
    """One line: what was wrong first. May hold the candidate's own words."""
    calls_made: int = 0
    stdout: Captured = NOTHING
    stderr: Captured = NOTHING
    duration_s: float = 0.0
    trust: Trust = Trust.JUDGE

    @property
    def passed(self) -> bool:
        """Whether every answer was right."""
        return self.status is Status.PASS


async def score(sandbox: WarmSandbox, task: CallTask | CheckTask) -> JudgeResult:
    """Judge one candidate. A fault of the sandbox, or of the check, comes back as `sandbox_error`.

    Raises:
        SandboxError: If the sandbox is not open, the time limit is longer than a box's, or an
            argument is of a kind that cannot be sent.
    """
    match task:
        case CallTask():
            return await _score_calls(sandbox, task)
        case CheckTask():
            return await _score_check(sandbox, task)
        case _:
            assert_never(task)


async def _score_calls(sandbox: WarmSandbox, task: CallTask) -> JudgeResult:
    try:
        questions, expected = _questions(task)
    except CodecError as error:
        raise SandboxError(f"the calls of {task.entry_point} cannot be sent: {error}") from error
    role = _candidate(task) | {"line": False, "questions": questions}
    try:
        run = await sandbox.run_roles([role], task.limits)
    except BoxFailedError as failure:
        return JudgeResult(status=Status.SANDBOX_ERROR, note=str(failure))
    status, note, calls = _answers(run, questions, expected, task.tolerance)
    return _result(run, status, note, calls)


def _questions(task: CallTask) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return what the candidate is asked, under random ids, and the trees of what is expected."""
    questions = [
        {
            "id": secrets.token_hex(8),
            "args": [encode(value) for value in call.args],
            "kwargs": {name: encode(value) for name, value in call.kwargs.items()},
        }
        for call in task.calls
    ]
    return questions, [encode(call.expected) for call in task.calls]


def _candidate(task: CallTask | CheckTask) -> dict[str, Any]:
    return {
        "kind": "answer",
        "source": task.source,
        "entry_point": task.entry_point,
        "nonce": "",
        "argv": [],
        "files": [],
        "env": {},
    }


def _answers(
    run: Run, questions: Sequence[Mapping[str, Any]], expected: Sequence[Any], tolerance: float
) -> tuple[Status, str, int]:
    """Compare the answers; return the status, the first thing that is wrong, and their number."""
    status, note = _unanswered(run, questions)
    if status is not None:
        return status, note, 0
    answers = messages(run.reports[0])[1:]
    for number, (question, tree) in enumerate(zip(questions, expected, strict=True)):
        if number >= len(answers):
            return Status.FAIL, "it left before it answered", number
        answer = answers[number]
        if answer.get("id") != question["id"]:
            return Status.TAMPERED, "its answer is not to the question", number
        if wrong := _wrong(answer, tree, tolerance):
            status, note = wrong
            return status, f"call {number + 1} {note}", number + 1
    return Status.PASS, "", len(questions)


def _unanswered(run: Run, questions: Sequence[object]) -> tuple[Status | None, str]:
    """Return why there is nothing to compare, if so."""
    status, note = ended_from_outside(run, 0)
    if status is not None:
        return status, note
    if run.malformed:
        return Status.TAMPERED, "it sent what is no answer"
    first = next(iter(messages(run.reports[0])), {})
    if "raised" in first:
        return Status.ERROR, _said(first)
    if not questions:
        return Status.SANDBOX_ERROR, "there is no call to judge it by"
    return None, ""


def _wrong(answer: Mapping[str, Any], tree: object, tolerance: float) -> tuple[Status, str] | None:
    """Return what is wrong with one answer, None if nothing is."""
    if "raised" in answer:
        return Status.ERROR, f"raised {_said(answer)}"
    if "value" not in answer:
        return Status.FAIL, f"gave no value: {answer.get('unsendable')}"[:_TEXT]
    if not same(answer["value"], tree, tolerance=tolerance):
        return Status.FAIL, f"returned {display(answer['value'])}, not {display(tree)}"
    return None


def _said(message: Mapping[str, Any]) -> str:
    words = message["raised"]
    name, text = raised(words if isinstance(words, list) else [])
    return f"{name}: {text}" if text else name


async def _score_check(sandbox: WarmSandbox, task: CheckTask) -> JudgeResult:
    nonce = secrets.token_hex(16)
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
        run = await sandbox.run_roles([_candidate(task) | {"line": True}, judge], task.limits)
    except BoxFailedError as failure:
        return JudgeResult(status=Status.SANDBOX_ERROR, note=str(failure))
    status, note, calls = _verdict(run, nonce)
    return _result(run, status, note, calls)


def _verdict(run: Run, nonce: str) -> tuple[Status, str, int]:
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


def _result(run: Run, status: Status, note: str, calls: int) -> JudgeResult:
    return JudgeResult(
        status=status,
        note=note,
        calls_made=calls,
        stdout=run.stdout,
        stderr=run.stderr,
        duration_s=run.seconds,
    )
