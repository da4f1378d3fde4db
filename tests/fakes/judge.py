"""A judge that says what a test wants it to say; nothing is run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.box.status import Status
from sandbox.warm.judge import CheckTask, JudgeResult


@dataclass(kw_only=True)
class FakeJudge:
    """Asks a function for each status, and remembers what ran together."""

    verdict: Callable[[CheckTask], Status]
    note: str = ""
    judged: list[CheckTask] = field(default_factory=list)
    running: int = 0
    alone: list[bool] = field(default_factory=list)

    async def judge(self, task: CheckTask) -> JudgeResult:
        self.judged.append(task)
        self.running += 1
        self.alone.append(self.running == 1)
        await asyncio.sleep(0)
        status = self.verdict(task)
        self.running -= 1
        return JudgeResult(status=status, note=self.note, duration_s=0.01)
