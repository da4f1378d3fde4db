"""Reads what the kernel says of a box, from inside, on hosts of either version of cgroups."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

OOM_COUNTERS = ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events")
"""Counters of cgroup versions 1 and 2, in a box with a cgroup namespace of its own."""
UID_MAP = "/proc/self/uid_map"


def oom_kills(lines: Iterable[str]) -> int:
    """Return how many processes the kernel has killed for memory, by the text of a counter."""
    for line in lines:
        name, _, count = line.strip().partition(" ")
        if name == "oom_kill" and count.isdigit():
            return int(count)
    return 0


def users(lines: Iterable[str]) -> int:
    """Return how many users a map has: fewer where the engine maps them, as a rootless one does."""
    ranges = [[int(word) for word in line.split()] for line in lines]
    return max(first + count for first, _, count in ranges)
