"""Every test here is long: it starts the real command line in a repository of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.made(tmp_path / "repository", home=tmp_path / "home")
