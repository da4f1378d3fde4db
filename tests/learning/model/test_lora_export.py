from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from learning.model.chat import ChatFormat
from learning.model.engine import EngineError
from learning.model.llama.binding import GenerationRequest, TokenCandidate
from learning.model.llama.engine import LlamaEngine
from learning.model.lora_export import export_gguf
from learning.model.replies import LoadedModel
from learning.model.torch_engine import TorchEngine
from learning.records import Sampling
from tests.learning.model.conftest import ADAPTER

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.model

TEXTS = (
    "def add(a, b):\n    return",
    "The capital of France is",
    "import os\nfrom pathlib import",
    "for i in range(10):\n    print(",
    "class Stack:\n    def __init__(self",
    "Once upon a time there was",
)


def torch_logprobs(engine: TorchEngine, prompt: list[int], adapter: str | None) -> Tensor:
    """The whole next-token distribution, read afresh."""
    assert engine._reuse(prompt[:1], adapter) == 0
    logits_v = engine._read(prompt, adapter, lambda: False)
    assert logits_v is not None
    return logits_v.log_softmax(-1)


def divergence(candidates: list[TokenCandidate], logprobs_v: Tensor) -> float:
    """KL from llama.cpp's next-token distribution to torch's, over its most likely tokens."""
    return sum(
        math.exp(candidate.token.logprob)
        * (candidate.token.logprob - float(logprobs_v[candidate.token.id]))
        for candidate in candidates
    )


def test_the_exported_adapter_does_what_the_peft_adapter_does(
    llama_engine: LlamaEngine, torch_engine: TorchEngine, chat: ChatFormat
) -> None:
    binding = llama_engine._binding
    assert binding
    shown = chat.encode_text("a")[0]
    adapted_both, adapted_llama_only, neither, agreed = 0.0, 0.0, 0.0, 0
    for text in TEXTS:
        prompt = chat.encode_text(text)
        job = GenerationRequest(ids=prompt, limit=1, sampling=Sampling())
        plain = binding.candidates(job, shown_id=shown)
        adapted = binding.candidates(replace(job, adapter=0), shown_id=shown)
        torch_plain = torch_logprobs(torch_engine, prompt, None)
        torch_adapted = torch_logprobs(torch_engine, prompt, ADAPTER)
        adapted_both += divergence(adapted, torch_adapted)
        adapted_llama_only += divergence(adapted, torch_plain)
        neither += divergence(plain, torch_plain)
        agreed += int(torch_adapted.argmax()) == adapted[0].token.id
    # llama.cpp quantises activations: even without an adapter it is `neither` away from torch.
    # With the adapter in both it may be a few times that, and must be far closer than without it.
    assert adapted_both < 5 * neither
    assert adapted_llama_only > 10 * adapted_both
    assert agreed >= len(TEXTS) - 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"peft_type": "IA3"}, "IA3"),
    ],
)
def test_what_gguf_cannot_express_is_refused(
    change: dict[str, object], named: str, adapter: Path, hf: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(adapter, folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | change))
    with pytest.raises(EngineError, match=named):
        export_gguf(folder, hf, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


def test_a_damaged_adapter_is_refused(adapter: Path, hf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(adapter, folder)
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(EngineError, match="damaged"):
        export_gguf(folder, hf, tmp_path / "out.gguf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter"]


def lying(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "weights",
    [
        b"",
        b"\xff" * 8,
        (2**62).to_bytes(8, "little") + b"{}",
        lying([]),
        lying({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)),
        lying({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
        lying({"a": {"dtype": "F32", "shape": [2**60, 2**60], "data_offsets": [0, 4]}}, bytes(4)),
        lying({"a": {"dtype": "F32", "shape": [1], "data_offsets": [8, 4]}}, bytes(8)),
        lying({"a": {"dtype": "Q9", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
        lying({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)),
    ],
    ids=range(10),
)
def test_weights_that_lie_about_themselves_are_refused(
    weights: bytes, adapter: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "lying"
    shutil.copytree(adapter, folder)
    (folder / "adapter_model.safetensors").write_bytes(weights)
    model, chat = map(request.getfixturevalue, ("tiny_model", "chat"))
    for kind in ("llama_engine", "torch_engine"):
        engine = request.getfixturevalue(kind)
        with pytest.raises(EngineError, match="lying"):
            LoadedModel(model, chat, engine, kind).prepare_adapter("el-lying", folder)()
        prompt = chat.encode_text("one")
        assert len(list(engine.generate(prompt, sampling=Sampling(max_tokens=1), stop_ids=()))) == 1
