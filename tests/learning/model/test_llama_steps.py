"""Decoding and loading with a library that is told what to say: ends within drafts, refusals."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from learning.model.engine import EngineError
from learning.model.llama import decoder as llama_decoder, library as llama_library
from learning.model.llama.binding import GenerationRequest
from learning.model.llama.decoder import LlamaDecoder
from learning.model.llama.library import CannotDriveError, LlamaContext, Read
from learning.records import Sampling

END = 31


class ChainContext:
    """Says after each token the next number, up to the end and beyond it."""

    def __init__(self, *_: object, **__: object) -> None:
        self.cells: dict[int, int] = {}

    def read(self, items: Sequence[Read]) -> list[NDArray[np.float32]]:
        for item in items:
            assert item.position == self.cells.get(item.sequence, 0)
            self.cells[item.sequence] = item.position + 1
        rows = []
        for item in items:
            row = np.zeros(64, dtype=np.float32)
            row[(item.token + 1) % 64] = 9.0
            rows.append(row)
        return [row for row, item in zip(rows, items, strict=True) if item.wanted]

    def forget(self, sequence: int, start: int = 0) -> None:
        self.cells[sequence] = min(start, self.cells.get(sequence, 0))

    def share(self, source: int, target: int) -> None:
        self.cells[target] = self.cells[source]

    def use_adapter(self, number: int | None) -> None:
        pass

    def ends(self, token: int) -> bool:
        return token == END


def test_nothing_is_said_or_kept_behind_an_end_that_a_draft_runs_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(llama_decoder, "LlamaContext", ChainContext)
    decoder = LlamaDecoder(Path("chain.gguf"), context_length=512, threads=1, adapters=())
    ids = [*range(20, 50), 1, *range(20, 25)]
    job = GenerationRequest(ids=ids, limit=40, sampling=Sampling(temperature=0.0))
    pieces = list(decoder.run(job, lambda: False))
    assert any(piece.drafted > piece.accepted for piece in pieces)
    assert [token.id for piece in pieces for token in piece.tokens] == [*range(25, END)]
    assert pieces[-1].ended
    again = GenerationRequest(ids=[*ids, *range(25, 45)], limit=1, sampling=job.sampling)
    assert next(decoder.run(again, lambda: False)).cached_tokens == len(ids) + len(range(25, END))


class ToldLibrary:
    """The functions that loading calls; notes what was freed."""

    def __init__(self, *, is_stateful: bool = False, cells: int = 512) -> None:
        self.freed: list[str] = []
        self.is_stateful, self.cells = is_stateful, cells
        self.can_forget = True

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - each function of the library
        if name == "llama_model_is_recurrent":
            raise AttributeError(name)
        answers: dict[str, Callable[..., object]] = {
            "llama_model_is_hybrid": lambda _: self.is_stateful,
            "llama_context_default_params": _parameters,
            "llama_n_ctx": lambda _: self.cells,
            "llama_n_ctx_seq": lambda _: self.cells,
            "llama_n_batch": lambda _: 128,
            "llama_n_ubatch": lambda _: 128,
            "llama_n_seq_max": lambda _: 4,
            "llama_set_adapters_lora": lambda *_: 0,
            "llama_memory_seq_rm": lambda *_: self.can_forget,
            "llama_free": lambda _: self.freed.append("context"),
            "llama_model_free": lambda _: self.freed.append("model"),
        }

        def function(*arguments: object) -> object:
            answer: Callable[..., object] = answers.get(name, lambda *_: 7)
            return answer(*arguments)

        return function


def _parameters() -> llama_library._Parameters:
    parameters = llama_library._Parameters()
    ctypes.memmove(ctypes.byref(parameters, 64), llama_library._FLAGS, len(llama_library._FLAGS))
    return parameters


def _opened(monkeypatch: pytest.MonkeyPatch, library: ToldLibrary) -> LlamaContext:
    monkeypatch.setattr(llama_library, "_open", lambda: library)
    return LlamaContext(Path("one.gguf"), cells=512, sequences=4, batch=128, threads=1, adapters=())


def test_a_model_that_keeps_a_state_is_left_to_the_server_and_freed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = ToldLibrary(is_stateful=True)
    with pytest.raises(CannotDriveError, match=r"one\.gguf keeps a state"):
        _opened(monkeypatch, library)
    assert library.freed == ["model"]


def test_a_context_that_came_out_otherwise_is_freed_with_its_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = ToldLibrary(cells=256)
    with pytest.raises(CannotDriveError, match="was asked for"):
        _opened(monkeypatch, library)
    assert library.freed == ["context", "model"]


def test_a_model_that_does_not_load_on_the_gpu_is_loaded_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[int] = []

    class GpuLibrary(ToldLibrary):
        def llama_model_default_params(self) -> llama_library._Parameters:
            parameters = llama_library._Parameters()
            ctypes.cast(ctypes.pointer(parameters), ctypes.POINTER(ctypes.c_int32))[4] = -1
            return parameters

        def llama_model_load_from_file(
            self, _path: bytes, parameters: llama_library._Parameters
        ) -> int | None:
            numbers = ctypes.cast(ctypes.pointer(parameters), ctypes.POINTER(ctypes.c_int32))
            tried.append(numbers[4])
            return None if numbers[4] else 7

    monkeypatch.setattr(llama_library, "gpu_free_bytes", lambda _: 8 * 2**30)
    _opened(monkeypatch, GpuLibrary())
    assert tried == [-1, 0]


def test_a_part_that_cannot_be_forgotten_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ToldLibrary()
    context = _opened(monkeypatch, library)
    context.forget(0, 5)
    library.can_forget = False
    with pytest.raises(EngineError, match="cannot forget"):
        context.forget(0, 5)
    assert library.freed == []
