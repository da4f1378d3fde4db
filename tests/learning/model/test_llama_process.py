from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from learning.model.catalog import InstalledModel
from learning.model.engine import EngineError
from learning.model.llama.binding import GenerationRequest
from learning.model.llama.process import LlamaProcess
from learning.records import Sampling

pytestmark = pytest.mark.model

GREEDY = Sampling(temperature=0.0)


@pytest.fixture
def llama(tiny_model: InstalledModel) -> Iterator[LlamaProcess]:
    assert tiny_model.gguf
    with closing(
        LlamaProcess(tiny_model.gguf, context_length=512, threads=2, adapters=())
    ) as process:
        yield process


def test_a_run_that_is_cancelled_leaves_the_next_one_clean(llama: LlamaProcess) -> None:
    job = GenerationRequest(ids=[5, 6, 7], limit=20, sampling=GREEDY)
    whole = [t.id for piece in llama.run(job, lambda: False) for t in piece.tokens]
    seen = 0

    def enough() -> bool:
        return seen >= 3

    for piece in llama.run(job, enough):
        seen += len(piece.tokens)
    assert seen == 3
    again = [t.id for piece in llama.run(job, lambda: False) for t in piece.tokens]
    assert again == whole


def test_a_run_that_nobody_reads_on_is_ended(llama: LlamaProcess) -> None:
    with closing(
        llama.run(GenerationRequest(ids=[5], limit=400, sampling=GREEDY), lambda: False)
    ) as pieces:
        next(pieces)
    short = GenerationRequest(ids=[5], limit=2, sampling=GREEDY)
    assert sum(len(piece.tokens) for piece in llama.run(short, lambda: False)) == 2


def test_a_process_that_dies_in_a_reply_is_an_engine_error(llama: LlamaProcess) -> None:
    pieces = llama.run(GenerationRequest(ids=[5], limit=400, sampling=GREEDY), lambda: False)
    next(pieces)
    os.kill(llama.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match="ended unexpectedly"):
        list(pieces)
    with pytest.raises(EngineError, match="ended unexpectedly"):
        list(llama.run(GenerationRequest(ids=[5], limit=1, sampling=GREEDY), lambda: False))


def test_a_file_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "none.gguf").write_bytes(b"GGUF")
    with pytest.raises(EngineError, match=r"cannot load none\.gguf"):
        LlamaProcess(tmp_path / "none.gguf", context_length=512, threads=1, adapters=())


def test_closing_ends_the_process(tiny_model: InstalledModel) -> None:
    assert tiny_model.gguf
    process = LlamaProcess(tiny_model.gguf, context_length=512, threads=1, adapters=())
    process.close()
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
