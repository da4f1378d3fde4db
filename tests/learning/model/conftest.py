"""Both engines on the tiny real model, loaded once, and one random adapter for it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.model.llama.engine import LlamaEngine
from learning.model.torch_engine import TorchEngine
from learning.model.torch_loading import load_base

ADAPTER = "el-some.repo-v0001-0123abcd"


@pytest.fixture(scope="session")
def hf(unpacked_model: InstalledModel) -> Path:
    assert unpacked_model.hf
    return unpacked_model.hf


@pytest.fixture(scope="session")
def chat(hf: Path) -> ChatFormat:
    return ChatFormat.load(hf)


@pytest.fixture(scope="session")
def adapter(hf: Path, tiny_model: InstalledModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rank-16 adapter on every linear layer, strong enough to change what is said."""
    import torch
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("adapter")
    base, _ = load_base(hf)
    torch.manual_seed(3)
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        model = get_peft_model(base, config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.04)
    model.save_pretrained(str(folder))
    manifest = {"base": asdict(tiny_model.identity)}
    (folder / "elagent.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="session")
def torch_engine(hf: Path, adapter: Path) -> Iterator[TorchEngine]:
    """In float32 on every machine, so that its numbers can be compared closely."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("learning.model.torch_loading.computes_bf16", lambda: False)
        engine = TorchEngine(hf, model_context=8192, context_length=512, device="cpu")
    engine.prepare_adapter(ADAPTER, adapter)()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def llama_engine(tiny_model: InstalledModel, hf: Path, adapter: Path) -> Iterator[LlamaEngine]:
    assert tiny_model.gguf
    engine = LlamaEngine(tiny_model.gguf, hf, model_context=8192, context_length=512)
    engine.prepare_adapter(ADAPTER, adapter)()
    yield engine
    engine.close()
