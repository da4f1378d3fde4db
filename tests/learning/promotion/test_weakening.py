"""A weaker copy is a new adapter with the same weights, lineage and experiences, and a share of the strength."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from learning.model.catalog import ModelIdentity
from learning.promotion.adapters import AdapterManifest, AdapterMissingError, AdapterStore
from learning.promotion.lineage import tainted
from learning.promotion.manifest import (
    AdapterDamagedError,
    AdapterError,
    hash_files,
    write_manifest,
)
from learning.promotion.weakening import weakened

_BASE = ModelIdentity(weights_sha256="w" * 64, tokenizer_sha256="t" * 64, template_sha256="c" * 64)
_NAME = "el-shop-v0001-0123abcd"
_NEXT = "el-shop-v0002"


def _store(tmp_path: Path, config: str) -> AdapterStore:
    folder = tmp_path / "finished"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text(config)
    manifest = AdapterManifest(
        name=_NAME,
        model="tiny",
        base=_BASE,
        parent=None,
        experience_ids=("a", "b"),
        config={"rank": 16},
        seed=0,
        files=hash_files(folder),
        created_at=1.5,
        report={"losses": [0.5]},
        decision={"kind": "rejected"},
    )
    write_manifest(folder, manifest)
    store = AdapterStore(tmp_path / "adapters")
    store.adopt(folder)
    return store


def test_a_weaker_copy_stands_beside_the_adapter_and_is_untried(tmp_path: Path) -> None:
    store = _store(tmp_path, '{"lora_alpha": 32, "r": 16, "peft_type": "LORA"}')
    copy = weakened(store, _NAME, prefix=_NEXT, strength=0.5, clock=lambda: 9.0)
    assert copy.name == f"{_NEXT}-0123abcd"
    assert [each.name for each in store.list()] == [_NAME, copy.name]
    assert copy == store.verify(copy.name, base=_BASE)
    assert (copy.experience_ids, copy.parent, copy.decision) == (("a", "b"), None, {})
    assert copy.config == {"rank": 16, "weaker_copy_of": _NAME, "strength": 0.5}
    config = json.loads((store.path(copy.name) / "adapter_config.json").read_text())
    assert config == {"lora_alpha": 16, "r": 16, "peft_type": "LORA"}
    assert (store.path(copy.name) / "adapter_model.safetensors").read_bytes() == b"weights"
    assert json.loads((store.path(_NAME) / "adapter_config.json").read_text())["lora_alpha"] == 32
    assert {each.name for each in tainted(store, frozenset(["a"]))} == {_NAME, copy.name}
    assert store.active() is None


@pytest.mark.parametrize("strength", [0.0, 1.0, -1.0, 2.0, float("nan")])
def test_only_a_share_is_a_strength(tmp_path: Path, strength: float) -> None:
    store = _store(tmp_path, '{"lora_alpha": 32, "r": 16}')
    with pytest.raises(ValueError, match="between 0 and 1"):
        weakened(store, _NAME, prefix=_NEXT, strength=strength)


@pytest.mark.parametrize(
    ("config", "error", "said"),
    [
        ("{}", AdapterDamagedError, "cannot be read"),
        ("[", AdapterDamagedError, "cannot be read"),
        ('{"lora_alpha": 32, "r": 16, "alpha_pattern": {"q": 8}}', AdapterError, "some layers"),
        ('{"lora_alpha": 0.001, "r": 16}', AdapterError, "no effect"),
    ],
)
def test_what_cannot_be_scaled_leaves_nothing(
    tmp_path: Path, config: str, error: type[AdapterError], said: str
) -> None:
    store = _store(tmp_path, config)
    with pytest.raises(error, match=said):
        weakened(store, _NAME, prefix=_NEXT, strength=0.5)
    assert [each.name for each in (tmp_path / "adapters").iterdir()] == [_NAME]


def test_there_must_be_an_adapter(tmp_path: Path) -> None:
    store = _store(tmp_path, "{}")
    with pytest.raises(AdapterMissingError):
        weakened(store, "el-shop-v0009-0123abcd", prefix=_NEXT, strength=0.5)
