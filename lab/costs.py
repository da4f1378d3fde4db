"""What an evaluation cost its machine: processor and wall-clock time, run by run.

Tokens and sandbox seconds are kept with every sample; this is what only the whole run can tell. An
interrupted run counts as far as it came.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from learning.evaluation.rows import append_rows, read_rows

_COSTS = "costs.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One run, or several together."""

    runs: int = 1
    wall_s: float
    cpu_s: float
    """User and system time of this process and of the children that have ended: the model's engine
    is among them, the sandbox and a server are not."""
    gpu: str = ""
    """Name of the GPU if the model ran on one; then seconds of generation are its seconds."""


class Meter:
    """Measures from its entry to its exit, and leaves the cost in `folder` if that is known then."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._wall_s = 0.0
        self._cpu_s = 0.0

    def __enter__(self) -> Self:
        self._wall_s, self._cpu_s = time.monotonic(), _cpu_s()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.folder is None:
            return
        cost = Cost(
            wall_s=time.monotonic() - self._wall_s, cpu_s=_cpu_s() - self._cpu_s, gpu=_gpu()
        )
        append_rows(self.folder / _COSTS, [asdict(cost)])


def total_cost(folder: Path) -> Cost | None:
    """All runs of a results folder together; None where none was measured."""
    return _sum([Cost(**record) for record in read_rows(folder / _COSTS)])  # type: ignore[arg-type]  # written above


def _sum(costs: Sequence[Cost]) -> Cost | None:
    if not costs:
        return None
    return Cost(
        runs=len(costs),
        wall_s=sum(cost.wall_s for cost in costs),
        cpu_s=sum(cost.cpu_s for cost in costs),
        gpu=costs[-1].gpu,
    )


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _gpu() -> str:
    torch = sys.modules.get("torch")  # only if the model has it loaded: nothing is imported to ask
    if torch is None or not torch.cuda.is_available():
        return ""
    return str(torch.cuda.get_device_name())
