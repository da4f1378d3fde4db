"""The memory that a model of the catalog needs here to serve and to train, and the speed to expect.

Arithmetic only. Serving: the quantised file, keys and values of the context that the engine would
choose, and buffers. Training: LoRA on bf16 weights; from seven billion weights on, LoRA on weights in
four bits (QLoRA, arXiv 2305.14314), which needs a CUDA GPU. Adapters are written for a few
architectures only, so the others are served and not trained.
"""

from __future__ import annotations

from dataclasses import dataclass

from learning.model.context_window import fitting_tokens
from learning.model.lora_export import ADAPTABLE
from learning.model.sources.entries import ModelEntry

GIB = 1024**3
_USABLE = 0.85
_BUFFERS_BYTES = GIB // 2
"""Logits of a batch, the graph's intermediate results, and the process itself."""
_TORCH_SERVING_BYTES = 3 * GIB // 2
_TRAINING_BYTES = 3 * GIB
"""Interpreter, torch, logits of one pack and their gradients: they hardly grow with the model."""
_GROWING = 8
"""Adapters with gradients and moments, and activations, take a byte for so many weights."""
FOUR_BITS_FROM = 7_000_000_000
"""Models with as many weights are trained in four bits, on CUDA."""
_FOUR_BIT_BYTES = 0.53
"""Bytes of a weight in NF4 with its scales."""
_UNPACKED_BYTES = 4
"""Peak of unpacking a weight of a GGUF file: its bf16 value is held twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The memory and the processor of a machine."""

    ram_bytes: int
    gpu_bytes: int = 0
    """Memory of the largest single GPU."""
    bf16: bool = False
    """True if its CPU computes in bf16, see `learning.model.processor`."""
    offloads: bool = False
    """True if its llama.cpp puts layers on a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Memory to serve a model, with the context that would be used."""

    fits: bool
    on_gpu: bool
    need_bytes: int
    context: int
    """Tokens of the prompt and the reply together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Memory to train an adapter of a model, or the reason why it is not trained here."""

    fits: bool
    on_gpu: bool
    need_bytes: int
    four_bits: bool = False
    obstacle: str = ""


def usable(memory_bytes: int) -> int:
    """Share of a memory that a model may use."""
    return int(memory_bytes * _USABLE)


def serving(entry: ModelEntry, host: Host) -> Serving:
    """Memory to serve the model here: in main memory if it fits there, else on the GPU."""
    in_ram = _served(entry, host.ram_bytes)
    if in_ram.fits or not host.gpu_bytes:
        return in_ram
    on_gpu = _served(entry, host.gpu_bytes)
    if host.offloads and on_gpu.fits:
        return Serving(fits=True, on_gpu=True, need_bytes=on_gpu.need_bytes, context=on_gpu.context)
    need = 2 * entry.parameters + _TORCH_SERVING_BYTES
    if entry.parts and need <= usable(host.gpu_bytes):  # the folder of its bf16 weights is there
        return Serving(fits=True, on_gpu=True, need_bytes=need, context=entry.context_length)
    return in_ram


def _served(entry: ModelEntry, memory_bytes: int) -> Serving:
    room = usable(memory_bytes)
    context = fitting_tokens(
        entry.shape.cache_bytes_per_token,
        model_context=entry.context_length,
        free_bytes=room - entry.gguf_bytes,
    )
    need = entry.gguf_bytes + context * entry.shape.cache_bytes_per_token + _BUFFERS_BYTES
    return Serving(fits=need <= room, on_gpu=False, need_bytes=need, context=context)


def training(entry: ModelEntry, host: Host) -> Training:
    """Memory to train an adapter here, and whether it is there."""
    if entry.architecture not in ADAPTABLE:
        what = "a mixture of experts" if entry.is_mixture else f"architecture {entry.architecture}"
        return Training(fits=False, on_gpu=False, need_bytes=0, obstacle=f"{what} is served only")
    if entry.parameters >= FOUR_BITS_FROM:
        need = four_bit_bytes(entry)
        fits = need <= usable(host.gpu_bytes)
        unpacked = Training(fits=fits, on_gpu=True, need_bytes=need, four_bits=True)
    else:
        need = bf16_bytes(entry, on_cpu=not host.bf16)
        if need <= usable(host.ram_bytes):
            unpacked = Training(fits=True, on_gpu=False, need_bytes=need)
        elif bf16_bytes(entry) <= usable(host.gpu_bytes):
            unpacked = Training(fits=True, on_gpu=True, need_bytes=bf16_bytes(entry))
        else:
            unpacked = Training(fits=False, on_gpu=False, need_bytes=need)
    memory = _UNPACKED_BYTES * entry.parameters
    if unpacked.fits and memory > usable(host.ram_bytes):
        return Training(
            fits=False,
            on_gpu=False,
            need_bytes=memory,
            obstacle="unpacking its weights takes more memory than there is",
        )
    return unpacked


def bf16_bytes(entry: ModelEntry, *, on_cpu: bool = False) -> int:
    """Memory for LoRA on unquantised weights; `on_cpu` without bf16, where they are float32."""
    weights = (4 if on_cpu else 2) * entry.parameters
    return weights + entry.parameters // _GROWING + _TRAINING_BYTES


def four_bit_bytes(entry: ModelEntry) -> int:
    """GPU memory for LoRA on weights in four bits; embeddings and head stay in bf16."""
    rows = 2 * entry.shape.vocabulary * entry.shape.width
    linear = int((entry.parameters - rows) * _FOUR_BIT_BYTES)
    return linear + 2 * rows + entry.parameters // _GROWING + _TRAINING_BYTES


def tokens_per_s(bytes_per_token: int, *, measured: float, measured_bytes: int) -> float:
    """Speed of decoding to expect: it is bound by memory, so it scales with the bytes read a token.

    `measured` tokens a second were made by a model that reads `measured_bytes` for each.
    """
    return measured * measured_bytes / bytes_per_token
