"""The memory, GPU and processor of this machine, read without loading torch."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

from learning.model.llama.library import offloads_layers
from learning.model.needs import Host
from learning.model.processor import computes_bf16
from learning.training.resources import available_bytes

__all__ = ["Machine", "available_bytes", "gpu_memory_bytes", "memory_bytes", "this_machine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Memory and disk that a model can use on this machine, in bytes."""

    ram: int
    gpu: int
    bf16: bool
    offloads: bool = False
    """True if llama.cpp puts layers on the GPU; asked only where there is one."""

    @property
    def numbers(self) -> str:
        """The kind of numbers that weights are held in where they are not quantised."""
        return "bf16" if self.bf16 else "float32"

    @property
    def host(self) -> Host:
        """This machine as a value for the arithmetic of what models need."""
        return Host(ram_bytes=self.ram, gpu_bytes=self.gpu, bf16=self.bf16, offloads=self.offloads)


def this_machine() -> Machine:
    """Look at this machine."""
    gpu = gpu_memory_bytes()
    return Machine(
        ram=memory_bytes(), gpu=gpu, bf16=computes_bf16(), offloads=gpu > 0 and offloads_layers()
    )


def memory_bytes() -> int:
    """Physical memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def gpu_memory_bytes() -> int:
    """Memory of the largest NVIDIA GPU; 0 where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    query = [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    sizes = [int(line) for line in done.stdout.split() if line.isdigit()]
    return max(sizes, default=0) * 2**20
