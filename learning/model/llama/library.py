"""llama.cpp's own C interface, in the shared library that the binding brings: batches and sequences.

The binding itself offers a server, in which sequences can neither be copied nor drafts chosen. The
structures of parameters change between releases: they are passed on as the library fills them, but
for five numbers, and what came of these is asked back; a library where that fails is not used.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learning.model.engine import EngineError
from learning.model.llama.binding import wait_briefly
from learning.model.llama.gpu_layers import ALL, Footprint, gpu_free_bytes, layers_to_try

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LONGEST_PARAMETERS = 1024
"""Bytes; more than either structure has."""
_FLAGS = bytes((0, 1, 1, 1, 1, 0))
"""`embeddings` to `kv_unified` as they are by default: the only such bytes in a context's parameters."""


_GPU_LAYERS = 4
"""Place of `n_gpu_layers` among the numbers of a model's parameters, behind two pointers."""


class CannotDriveError(EngineError):
    """This release of llama.cpp does not offer what is needed, or differs from what we know."""


class _Parameters(ctypes.Structure):
    _fields_ = (("data", ctypes.c_uint8 * _LONGEST_PARAMETERS),)


class _LlamaBatch(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embedding", ctypes.c_void_p),
        ("position", ctypes.POINTER(ctypes.c_int32)),
        ("sequence_count", ctypes.POINTER(ctypes.c_int32)),
        ("sequences", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("wanted", ctypes.POINTER(ctypes.c_int8)),
    )


_Log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_P, _I = ctypes.c_void_p, ctypes.c_int32
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "llama_log_set": (None, (_Log, _P)),
    "llama_backend_init": (None, ()),
    "llama_model_default_params": (_Parameters, ()),
    "llama_context_default_params": (_Parameters, ()),
    "llama_model_load_from_file": (_P, (ctypes.c_char_p, _Parameters)),
    "llama_init_from_model": (_P, (_P, _Parameters)),
    "llama_free": (None, (_P,)),
    "llama_model_free": (None, (_P,)),
    "llama_n_ctx": (ctypes.c_uint32, (_P,)),
    "llama_n_ctx_seq": (ctypes.c_uint32, (_P,)),
    "llama_n_batch": (ctypes.c_uint32, (_P,)),
    "llama_n_ubatch": (ctypes.c_uint32, (_P,)),
    "llama_n_seq_max": (ctypes.c_uint32, (_P,)),
    "llama_set_n_threads": (None, (_P, _I, _I)),
    "llama_get_memory": (_P, (_P,)),
    "llama_memory_seq_rm": (ctypes.c_bool, (_P, _I, _I, _I)),
    "llama_memory_seq_cp": (None, (_P, _I, _I, _I, _I)),
    "llama_model_get_vocab": (_P, (_P,)),
    "llama_vocab_n_tokens": (_I, (_P,)),
    "llama_vocab_is_eog": (ctypes.c_bool, (_P, _I)),
    "llama_adapter_lora_init": (_P, (_P, ctypes.c_char_p)),
    "llama_set_adapters_lora": (
        _I,
        (_P, ctypes.POINTER(_P), ctypes.c_size_t, ctypes.POINTER(ctypes.c_float)),
    ),
    "llama_batch_init": (_LlamaBatch, (_I, _I, _I)),
    "llama_decode": (_I, (_P, _LlamaBatch)),
    "llama_get_logits_ith": (ctypes.POINTER(ctypes.c_float), (_P, _I)),
}

_STATEFUL = ("llama_model_is_recurrent", "llama_model_is_hybrid")
"""Questions that newer libraries answer: such a model cannot forget a part of what it has read."""


@dataclass(frozen=True, slots=True)
class Read:
    """One token to be read at a position of a sequence; `wanted` if its logits are asked for."""

    token: int
    position: int
    sequence: int
    wanted: bool = True


class LlamaContext:
    """One model with its key-value cells, which all sequences share."""

    def __init__(
        self,
        gguf: Path,
        *,
        cells: int,
        sequences: int,
        batch: int,
        threads: int,
        adapters: Sequence[Path],
        footprint: Footprint | None = None,
    ) -> None:
        """Load everything, with as many layers on a GPU as `footprint` lets fit.

        Raises:
            CannotDriveError: If the library is not as it is expected to be, or the model keeps a state
                from which no part can be removed.
            EngineError: If a file cannot be loaded.
        """
        self._library = lib = _open()
        self._silence = _Log(lambda *_: None)  # kept: the library calls it later
        lib.llama_log_set(self._silence, None)
        lib.llama_backend_init()
        self._context: int | None = None
        self._model: int | None = None
        *better, last = layers_to_try(gpu_free_bytes(lib), footprint)
        wanted = (cells, batch, batch, sequences)
        for layers in better:
            with suppress(EngineError):
                self._load(gguf, layers, wanted, adapters)
                break
        else:
            self._load(gguf, last, wanted, adapters)
        lib.llama_set_n_threads(self._context, threads, threads)
        self._batch = lib.llama_batch_init(batch, 0, 1)

    def _load(
        self,
        gguf: Path,
        layers: int,
        wanted: tuple[int, int, int, int],
        adapters: Sequence[Path],
    ) -> None:
        self._model = self._library.llama_model_load_from_file(
            os.fsencode(gguf), _model_parameters(self._library, layers)
        )
        try:
            self._open_context(gguf, wanted, adapters)
        except EngineError:
            self._free()
            raise

    def _open_context(
        self, gguf: Path, wanted: tuple[int, int, int, int], adapters: Sequence[Path]
    ) -> None:
        lib, model = self._library, self._model
        if model:
            _refuse_stateful(lib, model, gguf.name)
            self._context = lib.llama_init_from_model(model, _parameters(lib, wanted))
        self._adapters = [
            lib.llama_adapter_lora_init(model, os.fsencode(path)) for path in adapters if model
        ]
        if not self._context or not all(self._adapters):
            raise EngineError(
                f"llama.cpp cannot load {gguf.name}"
                + (f" with {len(adapters)} adapter(s)" if adapters else "")
                + ": the file is damaged or of an unknown kind, or memory is short."
            )
        self._check(wanted)
        self._memory = lib.llama_get_memory(self._context)
        self._vocabulary = lib.llama_model_get_vocab(model)
        self._size = lib.llama_vocab_n_tokens(self._vocabulary)
        self.use_adapter(None)

    def _free(self) -> None:
        """Give the memory back where this model is not driven; its adapters go with it."""
        if self._context:
            self._library.llama_free(self._context)
        if self._model:
            self._library.llama_model_free(self._model)
        self._context = self._model = None

    def _check(self, wanted: tuple[int, int, int, int]) -> None:
        lib = self._library
        asked = (lib.llama_n_ctx, lib.llama_n_batch, lib.llama_n_ubatch, lib.llama_n_seq_max)
        found = tuple(ask(self._context) for ask in asked)
        shared = lib.llama_n_ctx_seq(self._context) == found[0]
        if not shared or found[0] < wanted[0] or found[1:] != wanted[1:]:
            raise CannotDriveError(f"llama.cpp was asked for {wanted} and made {found}.")

    def read(self, items: Sequence[Read]) -> list[NDArray[np.float32]]:
        """Read at most a batch of tokens; logits over the vocabulary for each wanted one, in order.

        The arrays are views that are valid until the next call.

        Raises:
            EngineError: If there are no cells left, or computing fails.
        """
        import numpy as np

        batch = self._batch
        batch.count = len(items)
        for index, item in enumerate(items):
            batch.token[index], batch.position[index] = item.token, item.position
            batch.sequence_count[index], batch.sequences[index][0] = 1, item.sequence
            batch.wanted[index] = item.wanted
        if (code := self._library.llama_decode(self._context, batch)) != 0:
            raise EngineError(f"llama.cpp failed to read {len(items)} tokens (code {code}).")
        return [
            np.ctypeslib.as_array(
                self._library.llama_get_logits_ith(self._context, index), (self._size,)
            )
            for index, item in enumerate(items)
            if item.wanted
        ]

    def forget(self, sequence: int, start: int = 0) -> None:
        """Free the cells of a sequence from a position on.

        Raises:
            EngineError: If the model cannot forget only a part.
        """
        if not self._library.llama_memory_seq_rm(self._memory, sequence, start, -1):
            raise EngineError(f"llama.cpp cannot forget what was read behind {start} tokens.")

    def share(self, source: int, target: int) -> None:
        """Let an empty sequence begin with all that another has read; takes no cells."""
        self._library.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def use_adapter(self, number: int | None) -> None:
        """Apply one adapter, by its number in the order of loading, or none.

        Raises:
            EngineError: If llama.cpp refuses it.
        """
        used = [] if number is None else [self._adapters[number]]
        pointers = (_P * max(1, len(used)))(*used)
        scales = (ctypes.c_float * max(1, len(used)))(*(1.0 for _ in used))
        if self._library.llama_set_adapters_lora(self._context, pointers, len(used), scales):
            raise EngineError("llama.cpp refuses the adapter.")

    def ends(self, token: int) -> bool:
        """True for the tokens with which the model ends what it says."""
        return bool(self._library.llama_vocab_is_eog(self._vocabulary, token))


def loading_problem() -> str:
    """A sentence on why llama.cpp cannot be loaded here; empty if it can."""
    try:
        _open()
    except CannotDriveError:
        return ""  # the server in the binding does the work
    except EngineError as err:
        return str(err)
    return ""


def offloads_layers() -> bool:
    """True if this build of llama.cpp computes on a GPU, and one is there."""
    try:
        library = _open()
    except EngineError:
        return False
    library.llama_supports_gpu_offload.restype = ctypes.c_bool
    return bool(library.llama_supports_gpu_offload())


def _open() -> ctypes.CDLL:
    """The library with its functions declared."""
    wait_briefly()
    try:
        import xllamacpp.xllamacpp as binding  # type: ignore[import-untyped]
    except ImportError as err:
        raise EngineError(_cannot_be_loaded(err)) from err
    try:
        library = ctypes.CDLL(binding.__file__)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as err:
        raise CannotDriveError(f"llama.cpp's library does not offer what is needed: {err}") from err
    return library


def _cannot_be_loaded(error: ImportError) -> str:
    """A sentence on a binding that is not there, or that lacks a library of the system."""
    what = f"llama.cpp cannot be loaded: {error}"
    if "libgomp" in what:
        return f"{what}. Install GCC's OpenMP library (Debian or Ubuntu: apt-get install libgomp1)."
    return f"{what}. Install it (pip install --force-reinstall --no-deps xllamacpp)."


def _refuse_stateful(library: ctypes.CDLL, model: int, name: str) -> None:
    for question in _STATEFUL:
        ask = getattr(library, question, None)  # older libraries know no such models
        if ask is None:
            continue
        ask.restype, ask.argtypes = ctypes.c_bool, (_P,)
        if ask(model):
            raise CannotDriveError(f"{name} keeps a state from which no part can be removed.")


def _model_parameters(library: ctypes.CDLL, layers: int) -> _Parameters:
    """A model's parameters: as the library fills them, but for the number of layers on a GPU."""
    parameters: _Parameters = library.llama_model_default_params()
    if layers != ALL:
        numbers = ctypes.cast(ctypes.pointer(parameters), ctypes.POINTER(ctypes.c_int32))
        if numbers[_GPU_LAYERS] != ALL:
            raise CannotDriveError("llama.cpp's parameters differ from what is known.")
        numbers[_GPU_LAYERS] = layers
    return parameters


def _parameters(library: ctypes.CDLL, first: tuple[int, int, int, int]) -> _Parameters:
    """A context's parameters: the first four numbers, and cells that all sequences share."""
    parameters: _Parameters = library.llama_context_default_params()
    flags = bytes(parameters).find(_FLAGS)
    if flags < 0:
        raise CannotDriveError("llama.cpp's parameters differ from what is known.")
    numbers = ctypes.cast(ctypes.pointer(parameters), ctypes.POINTER(ctypes.c_uint32))
    for index, number in enumerate(first):
        numbers[index] = number
    parameters.data[flags + len(_FLAGS) - 1] = 1
    return parameters
