"""One open sandbox for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.box import DockerSandbox


@pytest.fixture
async def box(sandbox_image: str, tmp_path: Path) -> AsyncIterator[DockerSandbox]:
    session = f"test-{tmp_path.name}"[:40]
    async with DockerSandbox(sandbox_image, session=session, lock_dir=tmp_path / "locks") as opened:
        yield opened
