from __future__ import annotations

import json
from pathlib import Path

import pytest

from learning.model.catalog import InstalledModel, ModelNotFoundError, installed
from learning.model.engine import LocalModelError
from learning.model.resolve import disk_usage, remove, resolve
from tests.fakes.tiny_llama import build_tiny_model
from tests.fakes.wheels import install_fake


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def fake(models: Path) -> InstalledModel:
    return install_fake(models)


def test_an_installed_name_is_found(fake: InstalledModel, models: Path) -> None:
    assert resolve("fake", models) == fake


def test_a_known_model_that_is_not_there_says_how_to_get_it(models: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="elagent models pull smollm2-135m"):
        resolve("smollm2-135m", models)
    with pytest.raises(ModelNotFoundError, match="elagent models pull someone/some-model"):
        resolve("someone/some-model", models)


def test_an_unknown_name_lists_what_there_is(models: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="smollm2-135m"):
        resolve("no such thing", models)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, models: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="neither a model folder"):
        resolve(str(tmp_path), models)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path, models: Path) -> None:
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 5}')
    with pytest.raises(LocalModelError, match=r"no readable tokenizer\.json"):
        resolve(str(tmp_path), models)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_folder_with_code_of_its_own_is_refused_and_nobody_is_asked(
    tmp_path: Path, models: Path, file: str
) -> None:
    build_tiny_model(tmp_path)
    path = tmp_path / file
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "auto_map": {"AutoConfig": "evil.Config"}}))
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')\n")
    with pytest.raises(LocalModelError, match=rf"auto_map in {file}\), which elagent never runs"):
        resolve(str(tmp_path), models)


def test_a_model_folder_is_identified_by_its_weights(tmp_path: Path, models: Path) -> None:
    folder = tmp_path / "mine"
    build_tiny_model(folder)
    first = resolve(str(folder), models)
    assert (first.name, first.context_length, first.gguf) == ("mine", 4096, None)
    assert resolve(str(folder), models) == first
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\1\2\3\4")
    assert resolve(str(folder), models).identity.weights_sha256 != first.identity.weights_sha256


@pytest.mark.slow
@pytest.mark.model
def test_a_foreign_gguf_file_is_read_once_listed_and_followed_when_it_moves(
    tiny_model: InstalledModel, tmp_path: Path, models: Path
) -> None:
    assert tiny_model.gguf
    copy = tmp_path / "copy.gguf"
    copy.hardlink_to(tiny_model.gguf)
    first = resolve(str(copy), models)
    assert [model.name for model in installed(models)] == [first.name]
    assert resolve(first.name, models) == first
    moved = copy.rename(tmp_path / "moved.gguf")
    assert resolve(str(moved), models).gguf == moved
    assert 1_000_000 < remove(installed(models)[0].name, models) < 20_000_000
    assert moved.is_file()


def test_removing_frees_what_the_model_took(fake: InstalledModel, models: Path) -> None:
    size = disk_usage(fake.name, models)
    assert size > 170_000
    assert remove(fake.name, models) == size
    assert disk_usage(fake.name, models) == 0
    with pytest.raises(ModelNotFoundError):
        resolve(fake.name, models)


@pytest.mark.parametrize("name", ["nothing", "..", "../index", "."])
def test_only_models_can_be_removed(name: str, fake: InstalledModel, models: Path) -> None:
    (models.parent / "index").mkdir()
    with pytest.raises(ModelNotFoundError):
        remove(name, models)
    assert fake.gguf
    assert fake.gguf.exists()
    assert (models.parent / "index").exists()
