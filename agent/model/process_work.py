"""Measures the work of a process and all that it started, from `/proc` where there is one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
# Of the fields after the name in `/proc/PID/stat`.
_MAJOR_FAULTS, _USER_TICKS, _SYSTEM_TICKS = 9, 11, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessWork:
    """Work that processes have done since they began."""

    cpu_s: float
    page_reads: int
    """Waits for the disk, as while a model is read."""

    def since(self, earlier: ProcessWork) -> ProcessWork:
        return ProcessWork(
            cpu_s=max(0.0, self.cpu_s - earlier.cpu_s),
            page_reads=max(0, self.page_reads - earlier.page_reads),
        )


def work_of(pid: int, *, proc: Path = _PROC) -> ProcessWork | None:
    """The work of a process and of its children's children; None if it cannot be told."""
    if (own := _own_work(pid, proc)) is None:
        return None
    inner = [work for child in _children(pid, proc) if (work := work_of(child, proc=proc))]
    return ProcessWork(
        cpu_s=own.cpu_s + sum(work.cpu_s for work in inner),
        page_reads=own.page_reads + sum(work.page_reads for work in inner),
    )


def _own_work(pid: int, proc: Path) -> ProcessWork | None:
    try:
        # The name in brackets may hold anything, brackets and spaces included.
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
        faults = int(fields[_MAJOR_FAULTS])
    except (OSError, ValueError, IndexError):
        return None
    return ProcessWork(cpu_s=ticks / os.sysconf("SC_CLK_TCK"), page_reads=faults)


def _children(pid: int, proc: Path) -> list[int]:
    found: list[int] = []
    for listed in (proc / str(pid) / "task").glob("*/children"):
        try:
            found += map(int, listed.read_text().split())
        except (OSError, ValueError):
            continue
    return found
