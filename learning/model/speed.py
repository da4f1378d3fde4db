"""Measures in ten seconds how fast this machine decodes, with a model that is installed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from learning.model.catalog import InstalledModel, ModelNotFoundError
from learning.model.chat import ChatFormat
from learning.model.llama.binding import GenerationRequest
from learning.model.llama.engine import usable_cores
from learning.model.llama.process import LlamaProcess
from learning.records import Sampling

_CONTEXT = 1024
_JOB_TOKENS = 400
_TEXT = "def mean(values):\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeSpeed:
    """Tokens a second of one model, each of which reads so many bytes of weights."""

    model: str
    tokens_per_s: float
    bytes_per_token: int


def measurable(models: Sequence[InstalledModel]) -> InstalledModel:
    """The model to measure with: the largest that llama.cpp serves, whose speed is bound by memory.

    Raises:
        ModelNotFoundError: If there is none.
    """
    sizes = {
        model.name: (model.gguf.stat().st_size, model)
        for model in models
        if model.gguf and model.hf and model.gguf.is_file()
    }
    if not sizes:
        raise ModelNotFoundError(
            "No installed model can be measured: fetch one first,"
            " e.g. `elagent models pull qwen2.5-coder-1.5b`."
        )
    return max(sizes.values(), key=lambda found: found[0])[1]


def decode_speed(
    model: InstalledModel, *, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
) -> DecodeSpeed:
    """Decode greedily without drafts, one token after the other; loading and reading do not count.

    Raises:
        EngineError: If llama.cpp cannot load or run the model.
    """
    assert model.gguf is not None  # noqa: S101 - see `measurable`
    assert model.hf is not None  # noqa: S101
    job = GenerationRequest(
        ids=ChatFormat.load(model.hf).encode_text(_TEXT),
        limit=_JOB_TOKENS,
        sampling=Sampling(temperature=0.0),
        drafts=False,
    )
    process = LlamaProcess(
        model.gguf,
        context_length=min(_CONTEXT, model.context_length),
        threads=usable_cores(),
        adapters=(),
    )
    made, spent = 0, 0.0
    with closing(process):
        while spent < seconds:
            tokens, taken = _decode(process, job, seconds - spent, clock)
            made, spent = made + tokens, spent + taken
    return DecodeSpeed(
        model=model.name,
        tokens_per_s=made / spent,
        bytes_per_token=model.gguf.stat().st_size,
    )


def _decode(
    process: LlamaProcess, job: GenerationRequest, seconds: float, clock: Callable[[], float]
) -> tuple[int, float]:
    """Tokens after the first, and the time that they took; a reply may end early."""
    began: float | None = None
    made = 0
    now = clock()
    with closing(process.run(job, lambda: False)) as pieces:
        for piece in pieces:
            now = clock()
            if not piece.tokens and not piece.ended:
                continue  # the prompt was read
            if began is None:
                began = now
                continue
            made += max(1, len(piece.tokens))
            if now - began >= seconds:
                break
    return made, max(now - began, 1e-6) if began is not None else seconds
