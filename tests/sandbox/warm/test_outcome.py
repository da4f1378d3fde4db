"""Only what came before the program's own code can say that the sandbox failed."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from sandbox.box.status import Status
from sandbox.warm.box import BoxRun
from sandbox.warm.inside.frames import LENGTH, SETTLED, FrameBuffer, FrameError
from sandbox.warm.judge import CheckTask, score
from sandbox.warm.outcome import program_result
from sandbox.warm.pool import WarmSandbox
from sandbox.warm.values import NOTHING, ProgramLimits

FAULT = json.dumps({"fault": "OSError: no room"}).encode()
END = json.dumps({"nonce": "n", "end": True}).encode()


def outcome(
    *reports: bytes, ended: str = "exited", status: int | None = 0, oom_kills: int = 0
) -> tuple[Status, str]:
    run = BoxRun(
        ended=ended,
        statuses=[status],
        oom_kills=oom_kills,
        seconds=0.1,
        clean=True,
        reports=[reports],
        stdout=NOTHING,
        stderr=NOTHING,
    )
    result = program_result(run, nonce="n", is_source=True)
    return result.status, result.note


def test_a_fault_before_the_program_began_is_the_sandboxs() -> None:
    assert outcome(FAULT, status=70) == (
        Status.SANDBOX_ERROR,
        "the process was not set up: OSError: no room",
    )


@pytest.mark.parametrize("ended", ["exited", "timeout", "output_limit"])
@pytest.mark.parametrize("status", [0, 70, -signal.SIGKILL, None])
def test_a_program_that_never_began_is_never_judged(ended: str, status: int | None) -> None:
    for reports in ((), (b"{}",), (END, SETTLED)):
        found, _ = outcome(*reports, ended=ended, status=status, oom_kills=1)
        assert found is Status.SANDBOX_ERROR


@pytest.mark.parametrize(
    ("reports", "status", "expected"),
    [
        ((FAULT,), 70, Status.FAIL),
        ((FAULT, SETTLED, FAULT), 0, Status.FAIL),
        ((END, FAULT), 0, Status.PASS),
        ((FAULT,), -signal.SIGSEGV, Status.CRASH_SIGNAL),
    ],
)
def test_a_fault_that_the_program_wrote_is_only_words(
    reports: tuple[bytes, ...], status: int, expected: Status
) -> None:
    assert outcome(SETTLED, *reports, status=status)[0] is expected


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (["gaierror", "[Errno -3] Temporary failure in name resolution"], Status.NEEDS_NETWORK),
        (["OSError", "[Errno 101] Network is unreachable"], Status.NEEDS_NETWORK),
        (["ConnectionRefusedError", "[Errno 111] Connection refused"], Status.ERROR),
        (["AssertionError", "network is unreachable"], Status.FAIL),
        (["ValueError", "x"], Status.ERROR),
    ],
)
def test_a_program_that_wants_the_network_is_told_apart(
    raised: list[str], expected: Status
) -> None:
    report = json.dumps({"nonce": "n", "raised": raised}).encode()
    assert outcome(SETTLED, report, status=1)[0] is expected


def test_cancelling_is_no_fault() -> None:
    assert outcome(ended="cancelled", status=None)[0] is Status.CANCELLED


def test_frames_in_front_of_a_broken_one_are_kept() -> None:
    stream = LENGTH.pack(len(SETTLED)) + SETTLED + b"\xff" * 9
    found = FrameBuffer().feed(stream)
    assert next(found) == SETTLED
    with pytest.raises(FrameError):
        next(found)


class _JudgeThatLivesOn:
    """A run that ended from outside, whose judge still said what became of its candidate."""

    def __init__(self, ended: str, said: str) -> None:
        self._ended, self._said = ended, said

    async def run_roles(self, roles: Sequence[Mapping[str, Any]], _limits: ProgramLimits) -> BoxRun:
        verdict = {"nonce": roles[1]["nonce"], "status": self._said, "note": "it left", "calls": 1}
        return BoxRun(
            ended=self._ended,
            statuses=[None, 0],
            oom_kills=0,
            seconds=0.1,
            clean=True,
            reports=[[SETTLED], [SETTLED, json.dumps(verdict).encode()]],
            stdout=NOTHING,
            stderr=NOTHING,
        )


@pytest.mark.parametrize(
    ("ended", "said", "expected"),
    [
        ("output_limit", "fail", Status.OUTPUT_LIMIT),
        ("timeout", "fail", Status.TIMEOUT),
        ("timeout", "error", Status.TIMEOUT),
        ("exited", "fail", Status.FAIL),
        ("timeout", "pass", Status.PASS),
    ],
)
async def test_a_judge_that_outlives_its_candidate_does_not_hide_what_ended_it(
    ended: str, said: str, expected: Status
) -> None:
    sandbox = cast("WarmSandbox", _JudgeThatLivesOn(ended, said))
    task = CheckTask(source="", entry_point="add", check="")
    assert (await score(sandbox, task)).status is expected
