"""Nothing stays behind, however a session ended."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox.box.contract import Limits
from sandbox.box.engine import connect
from sandbox.box.guardian import session_lock
from sandbox.box.leftovers import remove_leftovers
from sandbox.box.policy import BoxSpec, container_options

pytestmark = pytest.mark.docker

AGENT = """
import asyncio, signal, sys
from pathlib import Path
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.contract import Job, Limits
async def main() -> None:
    async with DockerSandbox(sys.argv[1], session="killed", lock_dir=Path(sys.argv[2])) as box:
        script = "trap '' TERM HUP; setsid sleep 900 & echo up; sleep 900"
        job = Job(argv=["sh", "-c", script], limits=Limits(timeout_s=900))
        await box.run(job, on_output=lambda data: print("up", flush=True))
# a shell starts background jobs, such as a CI run, with SIGINT ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(main())
"""


def containers(session: str) -> list[dict[str, Any]]:
    with connect() as client:
        found: list[dict[str, Any]] = client.containers(
            all=True, filters={"label": f"dev.elagent.session={session}"}
        )
    return found


def gone_within(session: str, limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if not containers(session):
            return True
        time.sleep(0.02)
    return False


@contextmanager
def agent(image: str, lock_dir: Path) -> Iterator[subprocess.Popen[str]]:
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", AGENT, image, str(lock_dir)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_box_dies_with_its_agent(
    sandbox_image: str, tmp_path: Path, ending: signal.Signals
) -> None:
    with agent(sandbox_image, tmp_path) as process:
        assert len(containers("killed")) == 1
        process.send_signal(ending)
        process.wait(10)
        assert gone_within("killed", 2.0)


def abandoned(image: str, session: str, lock: Path, *, timeout_s: float = 100) -> None:
    """Start a box whose dead-man's switch nobody holds: as if the switch had failed."""
    spec = BoxSpec(image_id=image, labels={"session": session, "lock": str(lock), "kind": "box"})
    options = container_options(Limits(timeout_s=timeout_s), spec, now=time.time())
    options |= {"OpenStdin": False, "StdinOnce": False, "AttachStdin": False}
    options |= {"Entrypoint": ["sleep"], "Cmd": ["600"]}
    with connect() as client:
        created = client.create_container_from_config(options)  # type: ignore[no-untyped-call]
        client.start(created["Id"])


def test_leftovers_of_dead_sessions_go_and_living_ones_stay(
    sandbox_image: str, tmp_path: Path
) -> None:
    locks = tmp_path.resolve()
    with session_lock(locks, "alive") as alive:
        abandoned(sandbox_image, "alive", alive)
        abandoned(sandbox_image, "dead", locks / "dead.lock")
        (locks / "dead.lock").touch()
        abandoned(sandbox_image, "elsewhere", tmp_path / "other" / "x.lock")
        try:
            assert remove_leftovers(locks) == 1
            assert containers("dead") == []
            assert not (locks / "dead.lock").exists()
            assert len(containers("alive")) == 1
            assert len(containers("elsewhere")) == 1
        finally:
            assert remove_leftovers(tmp_path / "other") == 1
    assert remove_leftovers(locks) == 1
    assert containers("alive") == []


def test_an_expired_box_goes_whoever_it_belongs_to(sandbox_image: str, tmp_path: Path) -> None:
    abandoned(sandbox_image, "old", tmp_path / "other" / "x.lock", timeout_s=-100)
    assert remove_leftovers(tmp_path) == 1
    assert containers("old") == []


def test_the_lock_file_goes_with_its_last_holder(tmp_path: Path) -> None:
    with session_lock(tmp_path, "shared") as path:
        with session_lock(tmp_path, "shared") as same:
            assert same == path
        assert path.exists()
    assert not path.exists()


async def test_waiting_for_removal_does_not_block_the_loop(tmp_path: Path) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    task = asyncio.ensure_future(tick())
    await asyncio.to_thread(remove_leftovers, tmp_path)
    task.cancel()
    assert ticks > 1
