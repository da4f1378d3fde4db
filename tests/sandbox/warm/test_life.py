"""Boxes come when needed and go when used up, broken, or forgotten."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.box.contract import SandboxError, SourceFile, TransferError
from sandbox.box.engine import connect
from sandbox.box.status import Status
from sandbox.warm.box import first_user
from sandbox.warm.pool import WarmSandbox
from sandbox.warm.values import BOX_LIMITS, PROGRAMS_PER_BOX, Program, ProgramLimits, ProgramResult

pytestmark = pytest.mark.docker

HELLO = Program(source="import os\nprint(os.getuid())")
ROOT = Path(__file__).resolve().parents[3]


def containers(session: str) -> list[dict[str, Any]]:
    with connect() as client:
        found: list[dict[str, Any]] = client.containers(
            all=True, filters={"label": f"dev.elagent.session={session}"}
        )
    return found


def remove(container_id: str) -> None:
    with connect() as client:
        client.remove_container(container_id, force=True)


async def test_every_option_of_the_running_container_is_as_decided(
    sandbox_image: str, tmp_path: Path
) -> None:
    async with WarmSandbox(sandbox_image, session="warm-inspected", lock_dir=tmp_path) as warm:
        assert (await warm.run_program(HELLO)).status is Status.PASS
        (found,) = containers("warm-inspected")
        with connect() as client:
            data: dict[str, Any] = client.inspect_container(found["Id"])
    assert containers("warm-inspected") == []
    host = dict(data["HostConfig"])
    security = sorted(host.pop("SecurityOpt"))
    assert security[0] == "no-new-privileges"
    assert '"defaultAction": "SCMP_ACT_ERRNO"' in security[1]
    assert len(security) == 2
    assert "mode=1733,uid=0,gid=0" in host.pop("Tmpfs")["/box"]
    ulimits = {item["Name"]: item["Hard"] for item in host.pop("Ulimits")}
    assert ulimits == {"nofile": 1024, "fsize": 64 * 1024**2, "core": 0}
    expected = {
        "NetworkMode": "none",
        "CapDrop": ["ALL"],
        "CapAdd": ["SETUID", "SETGID", "KILL"],
        "ReadonlyRootfs": True,
        "Memory": 1024 * 1024**2,
        "MemorySwap": 1024 * 1024**2,
        "PidsLimit": 128,
        "CpuPeriod": 100_000,
        "CpuQuota": 200_000,
        "OomScoreAdj": 500,
        "ShmSize": 16 * 1024**2,
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "Init": True,
        "AutoRemove": True,
        "LogConfig": {"Type": "none", "Config": {}},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    }
    assert {name: host.pop(name) for name in expected} == expected
    said_by_the_engine = {"ConsoleSize", "MaskedPaths", "ReadonlyPaths", "Runtime"}
    assert {name for name, value in host.items() if value} <= said_by_the_engine
    assert data["Mounts"] == []
    assert data["Config"]["User"] == "0:0"
    assert data["Config"]["StdinOnce"] is True
    assert data["Config"]["Labels"]["dev.elagent.kind"] == "warm"
    assert int(data["Config"]["Labels"]["dev.elagent.expires"]) > time.time()
    assert data["Config"]["Labels"]["dev.elagent.lock"] == str(tmp_path / "warm-inspected.lock")


async def test_each_program_is_another_user(sandbox_image: str, tmp_path: Path) -> None:
    async with WarmSandbox(sandbox_image, session="warm-users", lock_dir=tmp_path, boxes=2) as warm:
        results = await asyncio.gather(*(warm.run_program(HELLO) for _ in range(12)))
        assert len(containers("warm-users")) == 2
    assert {result.status for result in results} == {Status.PASS}
    assert len({result.stdout.data for result in results}) == 12


async def test_a_box_that_dies_is_no_evidence_and_is_replaced(
    sandbox_image: str, tmp_path: Path
) -> None:
    async with WarmSandbox(sandbox_image, session="warm-dies", lock_dir=tmp_path) as warm:
        up = asyncio.Event()
        sleeper = Program(source="import time\nprint('up')\ntime.sleep(60)")
        slow = replace(sleeper, limits=ProgramLimits(timeout_s=60))
        task = asyncio.ensure_future(warm.run_program(slow, on_output=lambda _: up.set()))
        await asyncio.wait_for(up.wait(), 30)
        (found,) = containers("warm-dies")
        await asyncio.to_thread(remove, found["Id"])
        result = await task
        assert result.status is Status.SANDBOX_ERROR
        assert not result.status.is_evidence
        assert "the warm box is gone" in result.note
        assert (await warm.run_program(HELLO)).status is Status.PASS


async def test_a_box_that_cannot_start_is_no_evidence(tmp_path: Path) -> None:
    image = "sha256:" + "0" * 64
    async with WarmSandbox(image, session="warm-none", lock_dir=tmp_path) as warm:
        result = await warm.run_program(HELLO)
    assert result.status is Status.SANDBOX_ERROR
    assert "the box could not be created" in result.note


async def test_a_box_past_its_time_is_replaced(sandbox_image: str, tmp_path: Path) -> None:
    limits = replace(BOX_LIMITS, timeout_s=24.5)
    brief = replace(HELLO, limits=ProgramLimits(timeout_s=8.0))
    async with WarmSandbox(
        sandbox_image, session="warm-old", lock_dir=tmp_path, limits=limits
    ) as warm:
        assert (await warm.run_program(brief)).status is Status.PASS
        (first,) = containers("warm-old")
        await asyncio.sleep(1.5)
        assert (await warm.run_program(brief)).status is Status.PASS
        (second,) = containers("warm-old")
    assert first["Id"] != second["Id"]


async def test_a_box_is_replaced_after_its_share_of_programs(
    sandbox_image: str, tmp_path: Path
) -> None:
    async with WarmSandbox(
        sandbox_image, session="warm-share", lock_dir=tmp_path, programs_per_box=2
    ) as warm:
        seen = []
        for _ in range(4):
            assert (await warm.run_program(HELLO)).status is Status.PASS
            seen += [container["Id"] for container in containers("warm-share")]
    assert seen[0] == seen[1] != seen[2] == seen[3]


async def test_a_program_longer_than_a_box_is_refused(warm_closed: WarmSandbox) -> None:
    async with warm_closed as warm:
        long = replace(HELLO, limits=ProgramLimits(timeout_s=1000))
        with pytest.raises(SandboxError, match="does not fit into a warm box: give it at most 600"):
            await warm.run_program(long)


@pytest.fixture
def warm_closed(sandbox_image: str, tmp_path: Path) -> WarmSandbox:
    return WarmSandbox(sandbox_image, session="warm-closed", lock_dir=tmp_path)


async def test_a_closed_sandbox_runs_nothing(warm_closed: WarmSandbox) -> None:
    with pytest.raises(SandboxError, match="not open"):
        await warm_closed.run_program(HELLO)


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a\nb", ""])
async def test_a_path_that_climbs_is_refused(warm_closed: WarmSandbox, path: str) -> None:
    async with warm_closed as warm:
        with pytest.raises(TransferError):
            await warm.run_program(replace(HELLO, files=[SourceFile(path=path, content=b"")]))


async def test_files_that_do_not_fit_are_no_evidence(sandbox_image: str, tmp_path: Path) -> None:
    limits = replace(BOX_LIMITS, work_mib=4)
    async with WarmSandbox(
        sandbox_image, session="warm-full", lock_dir=tmp_path, limits=limits
    ) as warm:
        files = [SourceFile(path=f"f{n}", content=bytes(3 << 20)) for n in range(2)]
        result = await warm.run_program(replace(HELLO, files=files))
        assert result.status is Status.SANDBOX_ERROR
        assert "No space left" in result.note
        assert (await warm.run_program(HELLO)).status is Status.PASS


async def told(warm: WarmSandbox, program: Program, up: asyncio.Event) -> ProgramResult:
    return await warm.run_program(program, on_output=lambda _: up.set())


async def test_cancelling_ends_the_program_and_keeps_the_box(warm_closed: WarmSandbox) -> None:
    endless = replace(HELLO, source="print('up')\nwhile True: pass")
    async with warm_closed as warm:
        for _ in range(3):
            up = asyncio.Event()
            task = asyncio.ensure_future(told(warm, endless, up))
            await asyncio.wait_for(up.wait(), 30)
            begun = time.monotonic()
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(outcome, asyncio.CancelledError)
            assert time.monotonic() - begun < 2
        before = containers("warm-closed")
        assert (await warm.run_program(HELLO)).status is Status.PASS
        assert [c["Id"] for c in containers("warm-closed")] == [c["Id"] for c in before]


async def test_a_failing_callback_is_handed_on_and_the_box_replaced(
    warm_closed: WarmSandbox,
) -> None:
    def refuse(_: bytes) -> None:
        raise ValueError("not wanted")

    async with warm_closed as warm:
        with pytest.raises(ValueError, match="not wanted"):
            await warm.run_program(HELLO, on_output=refuse)
        assert (await warm.run_program(HELLO)).status is Status.PASS
    assert containers("warm-closed") == []


@pytest.mark.parametrize(
    ("users", "low", "high"), [(2**32 - 1, 10**6, 2 * 10**9), (65536, 1000, 60000)]
)
def test_users_fit_into_those_that_the_engine_maps(users: int, low: int, high: int) -> None:
    assert first_user(users, lambda _: 0) == low
    assert first_user(users, lambda count: count - 1) + 2 * PROGRAMS_PER_BOX < high


FORGETFUL = """
import asyncio, sys
from pathlib import Path
from sandbox.warm.pool import WarmSandbox
from sandbox.warm.values import Program, ProgramLimits

async def main():
    async with WarmSandbox(sys.argv[1], session=sys.argv[2], lock_dir=Path(sys.argv[3])) as warm:
        source = "print('up')\\nimport time\\ntime.sleep(60)"
        program = Program(source=source, limits=ProgramLimits(timeout_s=60))
        await warm.run_program(program, on_output=lambda _: print("up", flush=True))

asyncio.run(main())
"""


def test_nothing_is_left_two_seconds_after_kill_9(sandbox_image: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", FORGETFUL, sandbox_image, "warm-killed", str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environ) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == b"up\n"
        assert len(containers("warm-killed")) == 1
        agent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 2
    while containers("warm-killed"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
