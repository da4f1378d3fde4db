"""The speed of this machine is measured with the largest model that llama.cpp serves here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from learning.model.catalog import InstalledModel, ModelNotFoundError
from learning.model.speed import decode_speed, measurable
from tests.fakes.wheels import install_fake


def test_the_largest_file_that_is_there_is_measured(tmp_path: Path) -> None:
    small = install_fake(tmp_path)
    assert small.gguf
    file = tmp_path / "large.gguf"
    file.write_bytes(bytes(300_000))
    large = replace(small, name="large", gguf=file)
    gone = replace(small, name="gone", gguf=tmp_path / "gone.gguf")
    folder_only = replace(small, name="folder", gguf=None)
    assert measurable([small, large, gone, folder_only]) == large
    with pytest.raises(ModelNotFoundError, match="fetch one first"):
        measurable([gone, folder_only])


@pytest.mark.slow
@pytest.mark.model
def test_a_real_model_decodes_for_the_time_that_was_given(tiny_model: InstalledModel) -> None:
    ticks = iter(range(10_000))
    speed = decode_speed(tiny_model, seconds=30, clock=lambda: float(next(ticks)))
    assert speed.model == tiny_model.name
    assert speed.bytes_per_token == 98_362_432
    assert 0.5 < speed.tokens_per_s <= 1.1  # the clock ticks once a token
