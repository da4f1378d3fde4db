from __future__ import annotations

from pathlib import Path

import pytest

from learning.model.catalog import CATALOG, GIB, Fit, find, fit, installed, read_manifest

PACKAGED = [entry for entry in CATALOG if entry.parts]


def test_the_parts_of_the_default_model_add_up_to_its_file() -> None:
    default = CATALOG[0]
    assert default.name == "qwen2.5-coder-1.5b"
    assert len(default.parts) == 22
    assert default.gguf_bytes == 1_117_320_768


@pytest.mark.parametrize("entry", PACKAGED, ids=lambda entry: entry.name)
def test_every_part_has_its_own_pinned_digest(entry: object) -> None:
    assert entry in PACKAGED
    digests = [part.sha256 for model in PACKAGED for part in model.parts]
    assert len(set(digests)) == len(digests)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in digests)


def test_a_model_is_found_by_name_and_by_hub_id() -> None:
    assert find("smollm2-135m") is find("HuggingFaceTB/SmolLM2-135M-Instruct") is not None
    assert find("gpt-4") is None


@pytest.mark.parametrize(
    ("name", "ram_gib", "gpu_gib", "expected"),
    [
        ("qwen2.5-coder-1.5b", 8, 0, Fit(serve=True, train=False)),
        ("qwen2.5-coder-1.5b", 16, 0, Fit(serve=True, train=True)),
        ("smollm2-135m", 8, 0, Fit(serve=True, train=True)),
        ("smollm2-135m", 1, 0, Fit(serve=False, train=False)),
        ("qwen2.5-coder-7b", 16, 0, Fit(serve=False, train=False)),
        ("qwen2.5-coder-7b", 16, 24, Fit(serve=True, train=True)),
    ],
)
def test_what_a_machine_can_do(name: str, ram_gib: int, gpu_gib: int, expected: Fit) -> None:
    entry = find(name)
    assert entry
    assert fit(entry, ram_bytes=ram_gib * GIB, gpu_bytes=gpu_gib * GIB) == expected


def test_a_processor_with_bf16_trains_the_default_model_in_8_gb() -> None:
    entry = find("qwen2.5-coder-1.5b")
    assert entry
    assert fit(entry, ram_bytes=8 * GIB, bf16=True) == Fit(serve=True, train=True)


def test_a_damaged_manifest_is_no_model(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"name": "x"')
    assert read_manifest(folder) is None
    assert list(installed(tmp_path)) == []
