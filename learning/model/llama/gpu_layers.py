"""Decides how many layers of a model llama.cpp puts on a GPU: all that fit, and none without one.

llama.cpp's server fits a model to the memory by itself; its C interface loads all layers or fails.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

ALL = -1
"""All layers; where there is no GPU, or the build uses none, it stands for none."""
_RESERVED_BYTES = 2**30
"""Memory of the GPU that is left for the graph, and for what else draws there."""
_GPU_KINDS = (1, 2)
"""`ggml_backend_dev_type`: a GPU of its own, or one within the processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Memory of a model's layers with the keys and values that they keep."""

    layers: int
    weights_bytes: int
    cache_bytes: int


def layers_to_try(free_bytes: int, size: Footprint | None) -> tuple[int, ...]:
    """Numbers of layers to load on a GPU with so much free memory, the best first.

    The last is none, on which nothing of the GPU depends.
    """
    if not free_bytes:
        return (ALL,)
    if size is None:
        return (ALL, 0)
    room, need = free_bytes - _RESERVED_BYTES, size.weights_bytes + size.cache_bytes
    if need <= room:
        return (ALL, 0)
    part = size.layers * max(0, room) // need
    return (part, 0) if part else (0,)


def gpu_free_bytes(library: ctypes.CDLL) -> int:
    """Free memory of the GPU that has most of it; 0 without one, or with a library that does not say."""
    names = ("dev_count", "dev_get", "dev_type", "dev_memory")
    asks: list[Any] = [getattr(library, f"ggml_backend_{name}", None) for name in names]
    if None in asks:
        return 0
    count, get, kind, memory = asks
    count.restype, get.restype, get.argtypes = ctypes.c_size_t, ctypes.c_void_p, (ctypes.c_size_t,)
    kind.restype, kind.argtypes = ctypes.c_int, (ctypes.c_void_p,)
    sizes = ctypes.POINTER(ctypes.c_size_t)
    memory.restype, memory.argtypes = None, (ctypes.c_void_p, sizes, sizes)
    most = 0
    for device in map(get, range(count())):
        if kind(device) in _GPU_KINDS:
            free, total = ctypes.c_size_t(), ctypes.c_size_t()
            memory(device, ctypes.byref(free), ctypes.byref(total))
            most = max(most, free.value)
    return most
