from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from learning.model.catalog import ModelIdentity
from learning.model.engine import AdapterMismatchError, EngineError
from learning.model.identity import check_adapter, check_adapter_files

SERVED = ModelIdentity(weights_sha256="a" * 64, tokenizer_sha256="b" * 64, template_sha256="c" * 64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    claim(tmp_path, SERVED)
    return tmp_path


def claim(folder: Path, base: ModelIdentity) -> None:
    (folder / "elagent.json").write_text(json.dumps({"base": asdict(base)}))


def test_an_adapter_for_this_model_is_accepted(folder: Path) -> None:
    check_adapter(folder, SERVED)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (replace(SERVED, weights_sha256="0" * 64), "base weights"),
        (replace(SERVED, tokenizer_sha256="0" * 64), "tokenizer"),
        (replace(SERVED, template_sha256="0" * 64), "chat template"),
    ],
)
def test_an_adapter_for_another_model_is_refused_with_the_reason(
    other: ModelIdentity, named: str, folder: Path
) -> None:
    claim(folder, other)
    with pytest.raises(AdapterMismatchError, match=f"its {named} "):
        check_adapter(folder, SERVED)


@pytest.mark.parametrize("content", [None, "{}", "not json", '{"base": []}', "[]"])
def test_an_adapter_that_does_not_say_its_base_is_refused(
    content: str | None, folder: Path
) -> None:
    (folder / "elagent.json").unlink()
    if content is not None:
        (folder / "elagent.json").write_text(content)
    with pytest.raises(EngineError, match="does not say which base model"):
        check_adapter(folder, SERVED)


def test_a_folder_without_weights_is_no_adapter(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(EngineError, match=r"adapter_model\.safetensors is missing"):
        check_adapter(folder, SERVED)


@pytest.mark.parametrize("name", ["a" * 300, "/".join(["a" * 200] * 40)])
def test_a_path_that_no_file_system_takes_is_refused_with_a_reason(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(EngineError, match=r"cannot be read|missing"):
        check_adapter(tmp_path / name, SERVED)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    os.mkfifo(tmp_path / "adapter_model.safetensors")
    with pytest.raises(EngineError, match="is missing"):
        check_adapter_files(tmp_path)


def test_a_manifest_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    (tmp_path / "elagent.json").write_text("[" * 100_000)
    with pytest.raises(EngineError, match="does not say which base model"):
        check_adapter(tmp_path, SERVED)
