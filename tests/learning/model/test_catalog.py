from __future__ import annotations

from pathlib import Path

import pytest

from learning.model.catalog import CATALOG, find, installed, read_manifest
from learning.model.sources.entries import ModelEntry

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


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_every_model_is_one_checked_file_from_somewhere(entry: ModelEntry) -> None:
    assert bool(entry.parts) != bool(entry.file)
    if entry.file:
        assert entry.file.name.lower().endswith("q4_k_m.gguf")
        assert bool(entry.file.commit) == bool(entry.file.sha256)
        assert len(bytes.fromhex(entry.file.sha256)) in (0, 32)
    bits = 8 * entry.gguf_bytes / entry.parameters
    assert 4.5 < bits < 6, "the size belongs to another model"


def test_there_are_models_for_every_machine() -> None:
    small = [entry for entry in CATALOG if entry.file and entry.parameters < 4.1e9]
    assert len(small) >= 6
    assert {"qwen2.5-coder-7b", "qwen2.5-coder-14b", "qwen2.5-coder-32b", "qwen3-coder-30b-a3b"} < {
        entry.name for entry in CATALOG
    }


def test_the_model_with_a_research_licence_says_so() -> None:
    entry = find("qwen2.5-coder-3b")
    assert entry
    assert entry.licence == "Qwen-Research"
    assert "no commercial use" in entry.summary


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_the_page_of_models_has_every_one(entry: ModelEntry) -> None:
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{entry.name}` |")]
    gigabytes = f"{entry.gguf_bytes / 1e9:.1f} GB"
    assert {entry.licence, gigabytes, f"{entry.context_length:,}"} <= set(row.split(" | "))


def test_a_damaged_manifest_is_no_model(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"name": "x"')
    assert read_manifest(folder) is None
    assert list(installed(tmp_path)) == []
