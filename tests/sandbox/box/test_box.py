"""The Docker sandbox keeps the contract, and what only it can be asked."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sandbox.box.contract import Ending, Job, Limits, SandboxError, SourceFile, TransferError
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.engine import check_engine, connect
from tests.contracts.sandbox import CHECKS, Check

pytestmark = pytest.mark.docker


async def keep(check: Check, image: str, lock_dir: Path, gate: asyncio.Semaphore) -> None:
    session = f"contract-{check.__name__}"

    @asynccontextmanager
    async def make() -> AsyncIterator[DockerSandbox]:
        async with DockerSandbox(image, session=session, lock_dir=lock_dir) as box:
            yield box

    async with gate:
        await check(make)
        assert await asyncio.to_thread(containers, session) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(
    request: pytest.FixtureRequest, sandbox_image: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mapping[Check, asyncio.Task[None]]]:
    """Two checks at a time, since each spends most of its time waiting for the engine."""
    gate, locks = asyncio.Semaphore(2), tmp_path_factory.mktemp("contract")
    wanted = {item.name for item in request.session.items if item.path == request.path}
    tasks = {
        check: asyncio.create_task(keep(check, sandbox_image, locks, gate))
        for check in CHECKS
        if f"test_keeps_the_contract[{check.__name__}]" in wanted
    }
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_keeps_the_contract(check: Check, kept: Mapping[Check, asyncio.Task[None]]) -> None:
    await kept[check]


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["runsc", "kata-runtime"])
async def test_other_runtimes_keep_the_contract_where_the_engine_has_them(
    runtime: str, sandbox_image: str, tmp_path: Path
) -> None:
    if runtime not in check_engine().runtimes:
        pytest.skip(f"the engine has no {runtime}")

    @asynccontextmanager
    async def make() -> AsyncIterator[DockerSandbox]:
        async with DockerSandbox(
            sandbox_image, session="runtime", lock_dir=tmp_path, runtime=runtime
        ) as box:
            yield box

    for check in CHECKS:
        await check(make)


def containers(session: str) -> list[dict[str, Any]]:
    with connect() as client:
        found: list[dict[str, Any]] = client.containers(
            all=True, filters={"label": f"dev.elagent.session={session}"}
        )
    return found


async def inspect_while_running(box: DockerSandbox, session: str, limits: Limits) -> dict[str, Any]:
    up = asyncio.Event()
    job = Job(argv=["sh", "-c", "echo up; sleep 600"], limits=limits)
    task = asyncio.ensure_future(box.run(job, on_output=lambda _: up.set()))
    await asyncio.wait_for(up.wait(), 30)
    (found,) = containers(session)
    with connect() as client:
        data: dict[str, Any] = client.inspect_container(found["Id"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return data


# What the engine says of a box beyond what we ask for; anything else must be empty, off or zero.
NEUTRAL = {
    "ConsoleSize": [0, 0],
    "MaskedPaths": ...,
    "ReadonlyPaths": ...,
    "Isolation": "",
    "UsernsMode": "",
    "CgroupParent": "",
    "Runtime": ...,
}


async def test_every_option_of_the_running_container_is_as_decided(
    sandbox_image: str, tmp_path: Path
) -> None:
    limits = Limits(timeout_s=100, memory_mib=1024, cpus=0.5, pids=77, work_mib=128)
    async with DockerSandbox(sandbox_image, session="inspected", lock_dir=tmp_path) as box:
        data = await inspect_while_running(box, "inspected", limits)
    host = dict(data["HostConfig"])
    security = sorted(host.pop("SecurityOpt"))
    assert security[0] == "no-new-privileges"
    assert security[1].startswith('seccomp={\n  "defaultAction": "SCMP_ACT_ERRNO"')
    assert len(security) == 2
    tmpfs = host.pop("Tmpfs")
    assert sorted(tmpfs) == ["/box", "/el", "/tmp"]  # noqa: S108
    for options in tmpfs.values():
        assert {"nosuid", "nodev"} <= set(options.split(","))
        assert "size=" in options
        assert "nr_inodes=" in options
    expected = {
        "NetworkMode": "none",
        "CapDrop": ["ALL"],
        "ReadonlyRootfs": True,
        "Memory": 1024 * 1024**2,
        "MemorySwap": 1024 * 1024**2,
        "CpuPeriod": 100_000,
        "CpuQuota": 50_000,
        "PidsLimit": 77,
        "OomScoreAdj": 500,
        "ShmSize": 16 * 1024**2,
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "Init": True,
        "AutoRemove": True,
        "LogConfig": {"Type": "none", "Config": {}},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    }
    for name, value in expected.items():
        assert host.pop(name) == value, name
    limits_set = {item["Name"]: (item["Soft"], item["Hard"]) for item in host.pop("Ulimits")}
    assert limits_set == {
        "nofile": (1024, 1024),
        "fsize": (128 * 1024**2, 128 * 1024**2),
        "core": (0, 0),
    }
    for name, value in host.items():
        allowed = NEUTRAL.get(name)
        assert not value or allowed is ... or value == allowed, f"{name} is {value!r}"
    config = data["Config"]
    assert config["User"] == "65531:65531"
    assert config["StdinOnce"] is True
    assert config["OpenStdin"] is True
    assert data["Mounts"] == []
    labels = {name: value for name, value in config["Labels"].items() if "dev.elagent." in name}
    assert labels["dev.elagent.session"] == "inspected"
    assert labels["dev.elagent.lock"] == str(tmp_path / "inspected.lock")
    assert labels["dev.elagent.kind"] == "box"
    assert int(labels["dev.elagent.expires"]) > time.time()


async def test_a_small_file_and_its_name_arrive_as_they_are(box: DockerSandbox) -> None:
    names = ["a b/ü.txt", "-dash", "d" * 200, "/".join(["deep"] * 30)]
    files = [SourceFile(path=name, content=name.encode()) for name in names]
    jobs = [Job(argv=["cat", "--", name], files=files) for name in names]
    found = await asyncio.gather(*map(box.run, jobs))
    assert [execution.stdout.text for execution in found] == names


async def test_a_thousand_files_are_copied_quickly(box: DockerSandbox) -> None:
    files = [SourceFile(path=f"d{n % 10}/f{n}", content=b"x" * 4096) for n in range(1000)]
    started = time.monotonic()
    execution = await box.run(Job(argv=["sh", "-c", "find . -type f | wc -l"], files=files))
    assert execution.stdout.data.strip() == b"1000"
    assert time.monotonic() - started < 10


async def test_files_that_do_not_fit_are_one_clear_error(box: DockerSandbox) -> None:
    files = [SourceFile(path=f"f{n}", content=b"x" * 2**20) for n in range(40)]
    with pytest.raises(TransferError, match="do not fit into its work directory"):
        await box.run(Job(argv=["true"], files=files, limits=Limits(work_mib=16)))


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a\nb", ""])
async def test_a_path_that_climbs_is_refused(box: DockerSandbox, path: str) -> None:
    with pytest.raises(TransferError):
        await box.run(Job(argv=["true"], files=[SourceFile(path=path, content=b"")]))


async def test_an_unknown_image_is_an_error(tmp_path: Path) -> None:
    image = "sha256:" + "0" * 64
    async with DockerSandbox(image, session="unknown", lock_dir=tmp_path) as box:
        with pytest.raises(SandboxError, match="the box could not be created"):
            await box.run(Job(argv=["true"]))


async def test_a_flood_does_not_grow_this_process(box: DockerSandbox) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    execution = await box.run(
        Job(argv=["sh", "-c", "yes | head -c 300000000"], limits=Limits(output_limit_mib=2000)),
        on_output=lambda _: None,
    )
    assert execution.succeeded
    assert execution.stdout.dropped_bytes > 290_000_000
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 32 * 1024


async def test_a_failing_callback_ends_the_run_and_removes_the_box(
    sandbox_image: str, tmp_path: Path
) -> None:
    def refuse(_: bytes) -> None:
        raise ValueError("not wanted")

    async with DockerSandbox(sandbox_image, session="refused", lock_dir=tmp_path) as box:
        with pytest.raises(ValueError, match="not wanted"):
            await box.run(Job(argv=["sh", "-c", "echo x; sleep 600"]), on_output=refuse)
    assert containers("refused") == []


async def test_cancelling_twice_still_removes_the_box(sandbox_image: str, tmp_path: Path) -> None:
    async with DockerSandbox(sandbox_image, session="twice", lock_dir=tmp_path) as box:
        task = asyncio.ensure_future(box.run(Job(argv=["sleep", "600"])))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        assert isinstance(
            (await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError
        )
    assert containers("twice") == []


async def test_two_sessions_run_side_by_side(sandbox_image: str, tmp_path: Path) -> None:
    async def one(session: str) -> bytes:
        async with DockerSandbox(sandbox_image, session=session, lock_dir=tmp_path) as box:
            script = f"echo {session} > mine; sleep 0.5; cat mine; ls | wc -l"
            execution = await box.run(Job(argv=["sh", "-c", script]))
            assert execution.ending is Ending.EXITED
            return execution.stdout.data

    left, right = await asyncio.gather(one("left"), one("right"))
    assert (left, right) == (b"left\n1\n", b"right\n1\n")


async def test_a_closed_sandbox_runs_nothing(sandbox_image: str, tmp_path: Path) -> None:
    box = DockerSandbox(sandbox_image, session="closed", lock_dir=tmp_path)
    with pytest.raises(SandboxError, match="not open"):
        await box.run(Job(argv=["true"]))


async def test_a_command_killed_with_its_box_is_no_failure_of_the_command(
    sandbox_image: str, tmp_path: Path
) -> None:
    """Several times: for a moment after its end the engine may still call a box running."""

    def kill_box() -> None:
        from docker.errors import APIError

        with connect() as client:
            for _ in range(200):
                with suppress(APIError):  # not there, or not running yet
                    (found,) = containers("killed")[:1] or [{"Id": "none"}]
                    if any("sleep 60" in row[-1] for row in client.top(found["Id"])["Processes"]):
                        client.kill(found["Id"])
                        return
                time.sleep(0.05)

    async with DockerSandbox(sandbox_image, session="killed", lock_dir=tmp_path) as box:
        for _ in range(4):
            run = asyncio.create_task(box.run(Job(argv=["sleep", "60"])))
            await asyncio.to_thread(kill_box)
            with pytest.raises(SandboxError, match=r"ended from outside|stopped answering"):
                await run
        killed_itself = await box.run(Job(argv=["sh", "-c", "kill -9 $$"]))
        assert (killed_itself.ending, killed_itself.exit_code) == (Ending.EXITED, -9)
