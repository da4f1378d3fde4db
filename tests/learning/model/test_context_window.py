"""The window is what the model reads, as far as memory allows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from learning.model.context_window import fitting_window

QWEN = {
    "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
    "hidden_size": 1536,
}  # fmt: skip
GIB = 2**30


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(QWEN))
    return path


@pytest.mark.parametrize(
    ("available", "tokens"),
    [(20 * GIB, 32_768), (2 * GIB, 18_432), (GIB // 4, 8192), (None, 8192)],
)
def test_the_keys_and_values_take_a_quarter_of_the_free_memory_at_most(
    config: Path, available: int | None, tokens: int
) -> None:
    window = fitting_window(config, model_context=32_768, available_bytes=available)
    assert window == tokens
    assert available is None or tokens == 8192 or tokens * 28_672 <= available / 4


def test_the_weights_take_their_part_of_the_memory_first(config: Path) -> None:
    window = fitting_window(
        config, model_context=32_768, available_bytes=3 * GIB, weights_bytes=GIB
    )
    assert window == fitting_window(config, model_context=32_768, available_bytes=2 * GIB)


def test_a_model_with_pictures_names_its_size_in_the_part_for_text(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"text_config": QWEN, "vision_config": {}}))
    assert fitting_window(path, model_context=32_768, available_bytes=2 * GIB) == 18_432


def test_never_more_than_the_model_reads(config: Path) -> None:
    assert fitting_window(config, model_context=2048, available_bytes=20 * GIB) == 2048


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"num_attention_heads": 0}'])
def test_a_model_that_does_not_say_its_size_has_the_usual_window(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    assert fitting_window(path, model_context=32_768, available_bytes=20 * GIB) == 8192
