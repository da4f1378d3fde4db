"""The vLLM engine on a real vLLM, where one that can compute is installed: what its double claims, it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from learning.extra import NotInstalledError
from learning.model.catalog import ModelIdentity, sha256_file
from learning.model.engine import EngineError, Token, Usage
from learning.model.vllm.engine import VllmEngine
from learning.model.vllm.process import find_vllm
from learning.records import Sampling
from tests.fakes.plain_lora import PLAIN_LORA
from tests.fakes.tiny_llama import write_tokenizer

PROMPT = tuple(range(10, 240)) * 2
"""More than three blocks of what vLLM keeps on a processor, which are of 128 tokens."""
IDENTITY = ModelIdentity(weights_sha256="w", tokenizer_sha256="t", template_sha256="p")


def _can_compute() -> bool:
    try:
        return find_vllm() is not None
    except NotInstalledError:
        return False


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _can_compute(), reason="no vLLM that can compute here"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with random weights, as small as vLLM's attention takes it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("model")
    tokens, end = write_tokenizer(folder)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=tokens,
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        initializer_range=0.2,
        tie_word_embeddings=False,
        eos_token_id=end,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    model.bfloat16()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[VllmEngine]:
    found = VllmEngine(folder, name="tiny", model_context=1024, max_rank=16)
    with closing(found):
        yield found


def adapter(folder: Path, *, seed: int) -> tuple[str, Path]:
    """A PEFT folder with random weights, and the name that belongs to them."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    modules = ("q_proj", "v_proj")
    weights = {
        f"base_model.model.model.layers.{layer}.self_attn.{module}.lora_{part}.weight": torch.randn(
            (4, 128) if part == "A" else (128, 4)
        )
        for layer in range(2)
        for module in modules
        for part in "AB"
    }
    folder.mkdir()
    save_file(weights, folder / "adapter_model.safetensors")
    config = json.loads(PLAIN_LORA) | {"r": 4, "lora_alpha": 4, "target_modules": list(modules)}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "elagent.json").write_text(json.dumps({"base": asdict(IDENTITY)}))
    return f"el-shop-v0001-{sha256_file(folder / 'adapter_model.safetensors')[:8]}", folder


def said(engine: VllmEngine, *, name: str | None = None) -> tuple[list[Token], Usage]:
    usage: list[Usage] = []
    tokens = engine.generate(
        PROMPT, sampling=Sampling(max_tokens=12), stop_ids=[], adapter=name, on_usage=usage.append
    )
    return list(tokens), usage[0]


def test_tokens_come_with_their_log_probabilities_which_are_the_model_s(
    engine: VllmEngine, folder: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    tokens, usage = said(engine)
    assert (len(tokens), usage.prompt_tokens, usage.completion_tokens) == (12, len(PROMPT), 12)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([[*PROMPT, *(token.id for token in tokens)]])
    with torch.no_grad():
        found = model(ids).logits.log_softmax(-1)[0, len(PROMPT) - 1 : -1]
    for row, token in zip(found, tokens, strict=True):
        assert token.logprob == pytest.approx(float(row[token.id]), abs=0.3)
    best = engine.likeliest(PROMPT, count=3)
    assert best[0].id == tokens[0].id
    assert best[0].logprob >= best[1].logprob >= best[2].logprob


def test_what_was_read_before_is_counted(engine: VllmEngine) -> None:
    said(engine)
    assert said(engine)[1].cached_tokens > 0


def test_adapters_are_loaded_switched_and_never_answer_for_each_other(
    engine: VllmEngine, tmp_path: Path
) -> None:
    first, one = adapter(tmp_path / "one", seed=1)
    second, two = adapter(tmp_path / "two", seed=2)
    base, _ = said(engine)
    engine.prepare_adapter(first, one)()
    engine.prepare_adapter(second, two)()
    replies = {name: said(engine, name=name)[0] for name in (first, second)}
    assert replies[first] != base != replies[second] != replies[first]
    assert said(engine)[0] == base
    assert said(engine, name=first)[0] == replies[first], "from the cache of its own name"
    with pytest.raises(EngineError, match="never used twice"):
        engine.prepare_adapter(first, two)


def test_an_adapter_that_is_unloaded_does_not_answer_any_more(
    engine: VllmEngine, tmp_path: Path
) -> None:
    name, made = adapter(tmp_path / "made", seed=3)
    engine.prepare_adapter(name, made)()
    assert said(engine, name=name)[0]
    assert engine._vllm
    engine._vllm.client.unload(name)
    with pytest.raises(EngineError, match="does not exist"):
        said(engine, name=name)
