"""Layers go to a GPU as far as they fit, and a model that does not load there is loaded without it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from learning.model.llama.gpu_layers import ALL, Footprint, gpu_free_bytes, layers_to_try

GIB = 2**30
SIZE = Footprint(layers=64, weights_bytes=18 * GIB, cache_bytes=2 * GIB)


@pytest.mark.parametrize(
    ("free", "size", "tried"),
    [
        (0, SIZE, (ALL,)),
        (24 * GIB, SIZE, (ALL, 0)),
        (21 * GIB, SIZE, (ALL, 0)),
        (11 * GIB, SIZE, (32, 0)),
        (GIB, SIZE, (0,)),
        (GIB // 2, SIZE, (0,)),
        (8 * GIB, None, (ALL, 0)),
    ],
)
def test_as_many_layers_as_fit_and_none_at_last(
    free: int, size: Footprint | None, tried: tuple[int, ...]
) -> None:
    assert layers_to_try(free, size) == tried


class Ask:
    """A function of a library, to which a result and argument types are assigned."""

    def __init__(self, answer: Callable[..., object]) -> None:
        self._answer = answer

    def __call__(self, *arguments: object) -> object:
        return self._answer(*arguments)


def library(*devices: tuple[int, int]) -> Any:  # noqa: ANN401 - stands for ctypes' own
    """A library with devices of a kind and with so much free memory."""

    def memory(device: int, free: Any, total: Any) -> None:  # noqa: ANN401 - references
        for pointer in (free, total):
            ctypes.cast(pointer, ctypes.POINTER(ctypes.c_size_t))[0] = devices[device][1]

    return SimpleNamespace(
        ggml_backend_dev_count=Ask(lambda: len(devices)),
        ggml_backend_dev_get=Ask(lambda index: index),
        ggml_backend_dev_type=Ask(lambda index: devices[index][0]),
        ggml_backend_dev_memory=Ask(memory),
    )


def test_the_gpu_with_most_free_memory_counts_and_the_processor_does_not() -> None:
    assert gpu_free_bytes(library((0, 99 * GIB))) == 0
    assert gpu_free_bytes(library((0, 99 * GIB), (1, 8 * GIB), (1, 24 * GIB))) == 24 * GIB
    assert gpu_free_bytes(library((2, 4 * GIB))) == 4 * GIB


def test_a_library_that_does_not_say_has_no_gpu() -> None:
    nothing: Any = SimpleNamespace()
    assert gpu_free_bytes(nothing) == 0
