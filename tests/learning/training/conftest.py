"""The tiny random model, built once."""

from __future__ import annotations

import pytest

from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from tests.fakes.tiny_llama import build_tiny_model


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> InstalledModel:
    return build_tiny_model(tmp_path_factory.mktemp("random-model"))


@pytest.fixture(scope="session")
def chat(random_model: InstalledModel) -> ChatFormat:
    assert random_model.hf
    return ChatFormat.load(random_model.hf)
