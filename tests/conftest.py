"""What several test folders need: the real tiny model and a real sandbox image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from agent.paths import from_environ
from learning.model.catalog import InstalledModel
from learning.model.sources.fetch import pull
from learning.model.weights import ensure_weights
from sandbox.images.base import ensure_base

settings.register_profile("elagent", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("elagent")  # a busy machine is no fault of the code


@pytest.fixture(scope="session")
def tiny_model() -> InstalledModel:
    """SmolLM2-135M, fetched once into the user's own model folder and verified there."""
    models = from_environ(os.environ).models
    return pull("smollm2-135m", models, on_progress=lambda *_: None)


@pytest.fixture(scope="session")
def unpacked_model(tiny_model: InstalledModel) -> InstalledModel:
    """The same with the weights that torch reads, unpacked once beside it."""
    return replace(tiny_model, hf=ensure_weights(tiny_model, on_progress=lambda *_: None))


@pytest.fixture(scope="session")
def sandbox_image() -> str:
    """Id of a base image made from this machine's own Python: quick, and needs no registry."""
    return ensure_base(source="lite", on_progress=lambda _: None).id


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests must not read the settings of the person who runs them."""
    saved = {name: os.environ.pop(name) for name in list(os.environ) if _is_setting(name)}
    config = os.environ.get("XDG_CONFIG_HOME")
    empty: Path = tmp_path_factory.mktemp("config")
    os.environ["XDG_CONFIG_HOME"] = str(empty)
    yield
    os.environ.update(saved)
    if config is None:
        del os.environ["XDG_CONFIG_HOME"]
    else:
        os.environ["XDG_CONFIG_HOME"] = config


def _is_setting(name: str) -> bool:
    return name.startswith("ELAGENT_") and name != "ELAGENT_HOME"
