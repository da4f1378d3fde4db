from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from learning.model.catalog import InstalledModel, installed, sha256_file
from learning.model.convert import ConvertError, convert_for_serving, convert_weights
from learning.model.identity import describe, weights_digest
from learning.model.resolve import resolve
from learning.model.weights import ensure_weights, has_weights
from learning.training.resources import parameter_count


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "written", [convert_for_serving, partial(convert_weights, like=Path("nowhere"))]
)
@pytest.mark.parametrize(
    "content", [b"not a model", b"GGUF\3\0\0\0" + b"\xff" * 64], ids=["text", "bad counts"]
)
def test_what_is_no_gguf_is_refused_and_leaves_nothing(
    content: bytes, written: Callable[..., None], tmp_path: Path
) -> None:
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(content)
    with pytest.raises(
        ConvertError, match=r"model\.gguf could not be converted: it is damaged.*\(\S"
    ):
        written(gguf, tmp_path / "hf", on_progress=lambda *_: None)
    assert files(tmp_path) == ["model.gguf"]


@pytest.mark.slow
@pytest.mark.model
def test_a_gguf_file_of_the_user_serves_at_once_and_has_weights_when_they_are_needed(
    tiny_model: InstalledModel, unpacked_model: InstalledModel, tmp_path: Path
) -> None:
    assert tiny_model.gguf
    assert tiny_model.hf
    assert unpacked_model.hf
    mine = tmp_path / "mine.gguf"
    shutil.copy(tiny_model.gguf, mine)
    with mine.open("ab") as file:
        file.write(b"\0" * 32)  # another file than the installed one, with the same tensors
    model = resolve(str(mine), tmp_path / "models")
    assert model.hf
    assert re.fullmatch(r"mine-[0-9a-f]{8}", model.name)  # two files may have one name
    assert model.gguf == mine
    assert model.identity.tokenizer_sha256 == tiny_model.identity.tokenizer_sha256
    assert model.identity.template_sha256 == tiny_model.identity.template_sha256
    assert model.identity.weights_sha256 != tiny_model.identity.weights_sha256
    assert not has_weights(model.hf)
    assert parameter_count(model.hf) == parameter_count(tiny_model.hf)
    again = resolve(str(mine), tmp_path / "models")
    assert again == model
    assert list(installed(tmp_path / "models")) == [model]

    said: list[str] = []
    folder = ensure_weights(model, on_progress=lambda what, *_: said.append(what))
    assert "converting: unpacking weights" in said
    assert weights_digest(folder) == weights_digest(unpacked_model.hf)
    assert set(files(folder)) >= set(files(tiny_model.hf))
    trained_on = describe(name="x", gguf=mine, gguf_sha256=sha256_file(mine), hf=folder)
    assert trained_on.identity == model.identity
    assert resolve(str(mine), tmp_path / "models") == model
    config = [json.loads((each / "config.json").read_text()) for each in (model.hf, folder)]
    assert [each["num_hidden_layers"] for each in config] == [30, 30]
