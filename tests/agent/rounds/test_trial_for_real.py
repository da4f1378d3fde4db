"""The whole trial on the real tiny model: an adapter made worse on purpose is found out."""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path

import pytest

from agent.approval import ModeApprover
from agent.assistant import Assistant
from agent.events import Event, LearnFinished, Notice
from agent.paths import Paths
from agent.session.context import Context
from agent.settings.load import Loaded
from agent.settings.schema import ModelSettings, SandboxSettings, Settings
from learning.model.catalog import InstalledModel
from learning.promotion.adapters import AdapterStore
from learning.promotion.manifest import AdapterManifest, hash_files, write_manifest
from tests.fakes.history import commit, files_of

_NAME = "el-shop-v0001-0123abcd"
_FUNCTIONS = 46
"""A third of them is left to experience."""


def _noise(model: InstalledModel, folder: Path) -> Path:
    """An adapter of random numbers, strong enough to spoil what is said."""
    import torch
    from peft import LoraConfig, get_peft_model

    from learning.model.torch_loading import load_base

    assert model.hf
    base, _ = load_base(model.hf)
    torch.manual_seed(3)
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        spoilt = get_peft_model(base, config)
    with torch.no_grad():
        for name, parameter in spoilt.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.04)
    spoilt.save_pretrained(str(folder))
    manifest = AdapterManifest(
        name=_NAME,
        model=model.name,
        base=model.identity,
        parent=None,
        experience_ids=(),
        config={},
        seed=3,
        files=hash_files(folder),
        created_at=time.time(),
        report={},
    )
    write_manifest(folder, manifest)
    return folder


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.model
async def test_an_adapter_of_noise_is_rejected_on_the_repository_s_own_tasks(
    tiny_model: InstalledModel, unpacked_model: InstalledModel, tmp_path: Path
) -> None:
    root = tmp_path / "shop"
    root.mkdir()
    files = [files_of(number) for number in range(1, _FUNCTIONS + 1)]
    commit(root, {name: text for each in files for name, text in each.items()}, at=0)
    paths = Paths(tmp_path / "home")
    paths.home.mkdir()
    assert tiny_model.hf
    paths.models.symlink_to(tiny_model.hf.parents[1])
    store = AdapterStore(paths.repository(root).adapters)
    store.adopt(_noise(unpacked_model, tmp_path / "noise"))
    context = Context(
        root=root,
        loaded=Loaded(
            settings=Settings(
                model=ModelSettings(name=tiny_model.name, idle_s=0),
                sandbox=SandboxSettings(image="lite"),
            ),
            origins={},
        ),
        paths=paths,
        environ=os.environ,
        launcher=[sys.executable, "-P", str(Path(__file__).parents[3] / "elagent.py")],
    )
    events: list[Event] = []
    async with Assistant(context, ModeApprover("auto")) as assistant:
        async for event in assistant.try_adapter(_NAME, budget_s=3600):
            events.append(event)  # noqa: PERF401 - what came is looked at when it breaks off, too
    assert any(
        isinstance(event, Notice) and event.text.startswith("30 held-out tasks and 1 fresh ones")
        for event in events
    )
    finished = events[-1]
    assert isinstance(finished, LearnFinished)
    assert finished.decision == "rejected", finished.gates
    assert store.active() is None
    assert store.get(_NAME).decision["kind"] == "rejected"
