"""bf16 is used only where the processor says that it has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from learning.model.processor import computes_bf16
from learning.model.torch_loading import load_base
from tests.fakes.tiny_llama import build_tiny_model


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("flags\t\t: fpu sse4_2 avx2 avx512_bf16 avx512f", True),
        ("flags\t\t: fpu avx2 amx_bf16 amx_tile", True),
        ("Features\t: fp asimd i8mm bf16", True),
        ("flags\t\t: fpu sse4_2 avx2 avx512f", False),
        ("model name\t: a processor named bf16", False),
        ("", False),
    ],
)
def test_it_is_read_off_the_flags(line: str, known: bool, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\nbogomips\t: 4000\n")
    assert computes_bf16(cpuinfo=tmp_path / "cpuinfo") is known


@pytest.mark.parametrize("known", [True, False])
def test_the_torch_engine_computes_in_what_the_processor_has(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    known: bool,
) -> None:
    import torch

    monkeypatch.setattr("learning.model.torch_loading.computes_bf16", lambda: known)
    hf = build_tiny_model(tmp_path).hf
    assert hf
    _, dtype = load_base(hf, device="cpu")
    assert dtype == (torch.bfloat16 if known else torch.float32)


def test_unknown_is_no(tmp_path: Path) -> None:
    assert not computes_bf16(cpuinfo=tmp_path / "none")
