from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from learning.model.catalog import InstalledModel, installed
from learning.model.convert import ConvertError, convert
from learning.model.resolve import resolve


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "content", [b"not a model", b"GGUF\3\0\0\0" + b"\xff" * 64], ids=["text", "bad counts"]
)
def test_what_is_no_gguf_is_refused_and_leaves_nothing(content: bytes, tmp_path: Path) -> None:
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(content)
    with pytest.raises(
        ConvertError, match=r"model\.gguf could not be converted: it is damaged.*\(\S"
    ):
        convert(gguf, tmp_path / "hf", on_progress=lambda *_: None)
    assert files(tmp_path) == ["model.gguf"]


@pytest.mark.slow
@pytest.mark.model
def test_a_gguf_file_of_the_user_becomes_a_model(
    tiny_model: InstalledModel, tmp_path: Path
) -> None:
    assert tiny_model.gguf
    assert tiny_model.hf
    mine = tmp_path / "mine.gguf"
    shutil.copy(tiny_model.gguf, mine)
    with mine.open("ab") as file:
        file.write(b"\0" * 32)  # another file than the installed one, with the same tensors
    said: list[str] = []
    model = resolve(str(mine), tmp_path / "models", on_progress=lambda what, *_: said.append(what))
    assert "converting: unpacking weights" in said
    assert model.hf
    assert re.fullmatch(r"mine-[0-9a-f]{8}", model.name)  # two files may have one name
    assert model.gguf == mine
    assert model.identity.tokenizer_sha256 == tiny_model.identity.tokenizer_sha256
    assert model.identity.weights_sha256 != tiny_model.identity.weights_sha256
    assert files(model.hf) == files(tiny_model.hf)
    again = resolve(str(mine), tmp_path / "models")
    assert again == model
    assert list(installed(tmp_path / "models")) == [model]
