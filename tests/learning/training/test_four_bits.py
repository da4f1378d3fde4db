"""Large models are trained on weights in four bits, on a GPU; here only the choice can be tested."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from learning.model.engine import EngineError
from learning.model.torch_loading import load_base
from learning.training.lora import in_four_bits
from tests.fakes.tiny_llama import build_tiny_model


@pytest.mark.parametrize(
    ("weights", "cuda", "expected"),
    [(7_600_000_000, True, True), (4_000_000_000, True, False), (7_600_000_000, False, False)],
)
def test_from_seven_billion_weights_on_and_only_on_cuda(
    weights: int, *, cuda: bool, expected: bool
) -> None:
    assert in_four_bits(weights, cuda=cuda) is expected


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_a_missing_package_is_named(tmp_path: Path) -> None:
    build_tiny_model(tmp_path)
    with pytest.raises(EngineError, match="needs bitsandbytes: install elagent with the extra"):
        load_base(tmp_path, four_bits=True)


def test_another_missing_package_is_not_taken_for_the_one_of_four_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unimportable(*_: object, **__: object) -> None:
        raise ImportError("accelerate is missing")

    build_tiny_model(tmp_path)
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", unimportable)
    with pytest.raises(ImportError, match="accelerate is missing"):
        load_base(tmp_path)
