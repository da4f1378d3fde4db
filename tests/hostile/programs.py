"""The whole hostile list."""

from __future__ import annotations

from tests.hostile.cases import CLEAN, Hostile
from tests.hostile.consuming import DISK, MEMORY, OUTPUT_PROGRAMS, PROCESSES
from tests.hostile.reaching import ENDINGS, KEEPERS, KERNEL, NETWORK

__all__ = ["CLEAN", "PROGRAMS", "Hostile"]

PROGRAMS: tuple[Hostile, ...] = (
    *(*PROCESSES, *MEMORY, *DISK, *OUTPUT_PROGRAMS),
    *(*KEEPERS, *KERNEL, *NETWORK, *ENDINGS),
)
