"""The warm box keeps what the sandbox contract asks of any sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sandbox.box.contract import Job, SandboxError, SourceFile
from sandbox.warm.pool import WarmSandbox
from tests.contracts.sandbox import EVERYWHERE, Check

pytestmark = [pytest.mark.docker, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize("check", EVERYWHERE, ids=lambda check: check.__name__)
async def test_keeps_the_contract(check: Check, warm: WarmSandbox) -> None:
    @asynccontextmanager
    async def make() -> AsyncIterator[WarmSandbox]:
        yield warm

    await check(make)


async def test_what_only_a_one_shot_box_can_do_is_refused(warm: WarmSandbox) -> None:
    for job in (
        Job(argv=["true"], collect=["x"]),
        Job(argv=["true"], harness=[SourceFile(path="x", content=b"")]),
    ):
        with pytest.raises(SandboxError, match="a warm box takes no harness files"):
            await warm.run(job)
