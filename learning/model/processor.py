"""Reads without torch what this processor can do, if it computes in bf16, and if there may be a GPU."""

from __future__ import annotations

import re
from pathlib import Path

GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Device files of GPUs that torch can use: NVIDIA, WSL, AMD."""
_FLAGS = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)
_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def may_have_gpu() -> bool:
    """True if there is a device file of a GPU; whether it computes, only its library knows."""
    return any(Path(device).exists() for device in GPU_DEVICES)


def computes_bf16(*, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """True if the processor multiplies bf16, which halves memory and time of training.

    Other processors emulate bf16, several times slower than float32. If unknown, as off Linux: false.
    """
    return not _BF16.isdisjoint(flags_of(cpuinfo))


def flags_of(cpuinfo: Path) -> frozenset[str]:
    """The words by which the kernel names the processor's features; empty if unknown, as off Linux."""
    try:
        found = _FLAGS.search(cpuinfo.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return frozenset()
    return frozenset(found[1].split()) if found is not None else frozenset()
