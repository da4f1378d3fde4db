"""One open sandbox for each test that asks for one, one warm one for each module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.box.docker_box import DockerSandbox
from sandbox.warm.pool import WarmSandbox
from sandbox.warm.values import BOX_LIMITS


@pytest.fixture
async def box(sandbox_image: str, tmp_path: Path) -> AsyncIterator[DockerSandbox]:
    session = f"test-{tmp_path.name}"[:40]
    async with DockerSandbox(sandbox_image, session=session, lock_dir=tmp_path / "locks") as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def warm(
    sandbox_image: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[WarmSandbox]:
    """One box for a whole module: that it survives all of its tests is part of the claim."""
    locks: Path = tmp_path_factory.mktemp("locks")
    limits = replace(BOX_LIMITS, memory_mib=320)  # so that filling it does not take long
    async with WarmSandbox(
        sandbox_image, session=locks.name, lock_dir=locks, limits=limits
    ) as opened:
        yield opened
