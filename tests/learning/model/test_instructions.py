"""The hint about llama.cpp's build: only where build and processor are both known to differ."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from learning.model.llama.instructions import Unused, _unused, unused_instructions

AVX512 = frozenset({"avx2", "avx512f", "avx512_vnni"})


def build(**answers: int) -> ctypes.CDLL:
    """A library that answers these questions."""
    asked = {
        f"ggml_cpu_has_{name}": lambda answer=answer: answer for name, answer in answers.items()
    }
    return cast("ctypes.CDLL", SimpleNamespace(**asked))


def test_what_the_processor_has_beyond_the_build_is_named() -> None:
    library = build(avx2=1, avx512=0, avx512_vnni=0, amx_int8=0)
    expected = Unused(version="1", names=("AVX-512", "AVX-512 VNNI"))
    assert _unused(library, AVX512, "1") == expected


@pytest.mark.parametrize(
    ("library", "flags"),
    [
        (build(avx2=1, avx512=1, avx512_vnni=1), AVX512),
        (build(avx2=1, avx512=0, avx512_vnni=0), frozenset({"avx2"})),
        (build(avx2=0, avx512=0), AVX512),
        (build(avx2=1), AVX512),
        (build(), AVX512),
    ],
    ids=["used", "not there", "for less than AVX2", "no answer for it", "no answers at all"],
)
def test_nothing_is_said_where_nothing_is_unused_or_known(
    library: ctypes.CDLL, flags: frozenset[str]
) -> None:
    assert _unused(library, flags, "1") is None


def test_an_unknown_processor_gives_no_hint(tmp_path: Path) -> None:
    assert unused_instructions(cpuinfo=tmp_path / "none") is None


def test_the_installed_build_is_asked_itself(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_vnni\n")
    pytest.importorskip("xllamacpp")
    said = unused_instructions(cpuinfo=cpuinfo)
    assert said is None or set(said.names) <= {"AVX-512", "AVX-512 VNNI"}
