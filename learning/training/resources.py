"""Memory and time that a training round needs, and the memory of this machine. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import sys
from pathlib import Path

from learning.model.processor import computes_bf16
from learning.model.weights import counted_weights
from learning.training.job import TrainingError

_OVERHEAD_BYTES = 1_800 * 2**20
"""Interpreter, torch, LoRA weights with gradients and moments, checkpoints, one window's layers."""
_GIB = 2**30
_CEILING_BYTES = 11 * _GIB
"""Memory above this is not used to make a round faster, however much is free."""
_FLOP_PER_CORE_S = 6e10
"""Float32 with AVX2, as measured on large matrix products."""
_BF16_GAIN = 2
"""A step of the 1.5B model with AMX: 7.7 s for 16.5 s."""
_START_S = 20.0
_PACKS = (1024, 896, 768, 512)
_KEPT_SHARE = 0.45
"""Share of the free memory that the activations of a pack may take by their own sizes: one measured round
took 2.3 times as much, with the logits and what the allocator holds back."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Option of `mallopt`, from glibc's malloc.h."""
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1}


class NotEnoughMemoryError(TrainingError):
    """This machine cannot hold the model for training right now."""


def parameter_count(model_folder: Path) -> int:
    """Number of weights, from the headers of the safetensors files alone.

    A folder whose weights are not unpacked yet has the number noted.

    Raises:
        TrainingError: If there is neither, or a header cannot be read.
    """
    try:
        counts = [_elements(path) for path in sorted(model_folder.glob("*.safetensors"))]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise TrainingError(f"the weights in {model_folder} cannot be read ({err})") from err
    if not counts and (noted := counted_weights(model_folder)):
        return noted
    if not counts:
        raise TrainingError(f"{model_folder} has no safetensors weights: it cannot be trained")
    return sum(counts)


def needed_bytes(model_folder: Path) -> int:
    """Peak memory of a round, with weights in the dtype that `torch_loading.load_base` chooses."""
    return _number_bytes() * parameter_count(model_folder) + _OVERHEAD_BYTES


def _number_bytes() -> int:
    return 2 if computes_bf16() else 4


def check_memory(model_folder: Path, *, available_bytes: int | None) -> None:
    """Refuse a round that does not fit into memory, before anything is loaded.

    Raises:
        NotEnoughMemoryError: If the round needs more than is available.
    """
    needed = needed_bytes(model_folder)
    if available_bytes is not None and needed > available_bytes:
        raise NotEnoughMemoryError(
            f"training this model needs {needed / _GIB:.1f} GiB of memory and"
            f" {available_bytes / _GIB:.1f} GiB are available: close other programs,"
            " or choose a smaller model"
        )


def checkpoint_every(model_folder: Path, *, tokens: int, available_bytes: int | None) -> int:
    """Number n: every n-th layer computes its activations again in the backward pass; 0 for none.

    Recomputing all of them costs a third of a step's arithmetic and saves memory that grows with
    `tokens`; the result is the same to the bit.
    """
    try:
        config = json.loads((model_folder / "config.json").read_text(encoding="utf-8"))
        width = 10 * int(config["hidden_size"]) + 4 * int(config["intermediate_size"])
        kept = int(config["num_hidden_layers"]) * tokens * width * _number_bytes()
    except (OSError, ValueError, KeyError, TypeError):
        return 1
    room = min(available_bytes or 0, _CEILING_BYTES) - needed_bytes(model_folder)
    if kept < _KEPT_SHARE * room:
        return 0
    return 2 if kept // 2 < room else 1


def pack_tokens(model_folder: Path, *, available_bytes: int | None) -> int:
    """Tokens of the rows that a round reads together: as many as need no activation computed twice.

    Beyond 512 tokens a pack gains less than recomputing loses. It is chosen once, when a round is planned:
    another size gives other rounding, and a resumed round ends with the same bytes.
    """
    for tokens in _PACKS:
        if not checkpoint_every(model_folder, tokens=tokens, available_bytes=available_bytes):
            return tokens
    return _PACKS[-1]


def estimated_s(model_folder: Path, *, read: int, trained: int, cores: int) -> float:
    """Rough time on a CPU for `read` tokens seen by the teacher and `trained` by the student.

    A forward pass takes two operations per weight and token. Training runs it twice (gradient
    checkpointing); the backward pass through frozen weights costs as much as one forward pass.
    """
    weights = parameter_count(model_folder)
    speed = cores * _FLOP_PER_CORE_S * (_BF16_GAIN if computes_bf16() else 1)
    return (2 * read + 6 * trained) * weights / speed + _START_S


def available_bytes(
    *, proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Memory available without swapping, within this container's limit; None if unknown."""
    found = [value for value in (_system_available(proc), _cgroup_available(cgroup)) if value]
    return min(found, default=None)


def lower_priority() -> None:
    """Give this process the lowest priority for the processor and the disk.

    A Linux kernel with autogroups first divides time among sessions, so a worker that leads a session
    lowers its session's priority as well.
    """
    with contextlib.suppress(OSError):
        os.nice(19)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text("19")


def return_memory_at_once(*, larger_than: int = 2**25) -> None:
    """Give blocks of more than so many bytes back to the system as soon as they are freed (glibc only).

    glibc learns from the first large tensors to keep them in its heap, which then grows with every
    layer: a round of the 1.5B model took 3 GiB more. Smaller blocks are kept: to get each anew, page by
    page, took a third of a step. 32 MiB is glibc's limit. Call it before torch allocates anything.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, larger_than)
        libc.mallopt(_M_TRIM_THRESHOLD, 4 * larger_than)


def rss_mib(proc: Path = Path("/proc")) -> int:
    """Resident memory of this process; its peak where the current figure is unknown."""
    try:
        pages = int((proc / "self/statm").read_text(encoding="ascii").split()[1])
        return pages * resource.getpagesize() // 2**20
    except (OSError, ValueError, IndexError):
        return peak_rss_mib()


def peak_rss_mib() -> int:
    """Peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 2**20 if sys.platform == "darwin" else peak // 2**10


def _elements(path: Path) -> int:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    tensors = [entry for name, entry in header.items() if name != "__metadata__"]
    return sum(
        (entry["data_offsets"][1] - entry["data_offsets"][0]) // _BYTES[entry["dtype"]]
        for entry in tensors
    )


def _system_available(proc: Path) -> int | None:
    try:
        lines = (proc / "meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _cgroup_available(cgroup: Path) -> int | None:
    """Memory left below the container's limit; cache that can be dropped counts as free."""
    for limit, usage, stat in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        try:
            room = int((cgroup / limit).read_text(encoding="ascii"))
            used = int((cgroup / usage).read_text(encoding="ascii"))
            rows = (cgroup / stat).read_text(encoding="ascii").splitlines()
        except (OSError, ValueError):
            continue
        cache = {row.split()[0]: int(row.split()[1]) for row in rows}
        reclaimable = cache.get("total_inactive_file", cache.get("inactive_file", 0))
        return max(0, room - used + reclaimable)
    return None
