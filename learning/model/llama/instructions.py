"""Tells which instructions of this processor the installed build of llama.cpp was compiled without.

llama.cpp answers for the instructions of its compiler, and the kernel for those of the processor. A build
that loads one of several libraries for the processor has no such answers, and nothing is said of it.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from learning.model.processor import flags_of

_BASE = "ggml_cpu_has_avx2"
_SETS = (
    ("AVX-512", "avx512f", "ggml_cpu_has_avx512"),
    ("AVX-512 VNNI", "avx512_vnni", "ggml_cpu_has_avx512_vnni"),
    ("AVX-512 BF16", "avx512_bf16", "ggml_cpu_has_avx512_bf16"),
    ("AVX-VNNI", "avx_vnni", "ggml_cpu_has_avx_vnni"),
    ("AMX", "amx_int8", "ggml_cpu_has_amx_int8"),
)
"""Sets of instructions, the kernel's word for each, and llama.cpp's question for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """Instructions that the processor has and the build lacks."""

    version: str
    names: tuple[str, ...]


def unused_instructions(*, cpuinfo: Path = Path("/proc/cpuinfo")) -> Unused | None:
    """The instructions beyond AVX2 that a build for AVX2 leaves unused; None if none, or if unknown."""
    try:
        import xllamacpp.xllamacpp as binding  # type: ignore[import-untyped]

        library = ctypes.CDLL(binding.__file__)
    except (ImportError, OSError):
        return None
    return _unused(library, flags_of(cpuinfo), version("xllamacpp"))


def _unused(library: ctypes.CDLL, flags: frozenset[str], release: str) -> Unused | None:
    if not _has(library, _BASE):
        return None
    names = tuple(
        name for name, flag, question in _SETS if flag in flags and _has(library, question) is False
    )
    return Unused(version=release, names=names) if names else None


def _has(library: ctypes.CDLL, question: str) -> bool | None:
    """The build's answer; None if it has none."""
    ask = getattr(library, question, None)
    if ask is None:
        return None
    ask.restype, ask.argtypes = ctypes.c_int, ()
    return bool(ask())
