"""What is left after a kill at a random point, a dead engine, a full disk and a jumping clock."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sandbox.box.contract import Ending, Job, Limits, SandboxError
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.engine import connect
from sandbox.box.guardian import session_lock
from sandbox.box.ledger import RunLedger
from sandbox.box.leftovers import _boxes, _is_leftover, remove_leftovers
from sandbox.box.status import Status

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[3]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount or start an engine")

AGENT = """
import asyncio, sys
from pathlib import Path
from agent.session.session import SessionLog
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.contract import Job, Limits
from sandbox.box.accounting import AccountedSandbox
from sandbox.box.ledger import RunLedger

async def main(image: str, session: str, state: Path) -> None:
    log = SessionLog.create(state / "sessions")
    print("log", log.id, flush=True)
    async with DockerSandbox(image, session=session, lock_dir=state) as inner:
        with RunLedger(state / "runs.sqlite3") as ledger:
            box = AccountedSandbox(inner, ledger, session=session)
            for step in range(1, 1000):
                script = f"trap '' TERM HUP; setsid sleep 900.{session} & echo {step}"
                execution = await box.run(Job(argv=["sh", "-c", script]))
                log.append({"step": step, "said": execution.stdout.text.strip()})
                print("ack", step, flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
"""


def boxes(session: str) -> list[str]:
    """The states of the session's containers."""
    with connect() as client:
        found = client.containers(all=True, filters={"label": f"dev.elagent.session={session}"})
    return [str(box["State"]) for box in found]


def processes(marker: str) -> list[str]:
    """Processes of this machine, those in boxes included, with that text in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if marker.encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def mine() -> list[dict[str, str]]:
    with connect() as client:
        return [labels for _, labels in _boxes(client) if labels["dev.elagent.session"] == "jump"]


def until(deadline_s: float, condition: object) -> bool:
    assert callable(condition)
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def kill_once(image: str, state: Path, session: str, delay_s: float) -> None:
    """Start an agent, kill it after a while, and look at what it left."""
    command = [sys.executable, "-P", "-c", AGENT, image, session, str(state)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        log = process.stdout.readline().split()[1]
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().splitlines()
    acknowledged = [int(line.split()[1]) for line in lines if line.startswith("ack")]

    assert until(2.0, lambda: not boxes(session))
    assert until(2.0, lambda: not processes(f"900.{session}"))
    written = (state / "sessions" / f"{log}.jsonl").read_bytes().splitlines()
    said = [json.loads(line)["step"] for line in written[: len(acknowledged)]]
    assert said == acknowledged
    with RunLedger(state / "runs.sqlite3") as ledger:
        assert all(ledger.state(session, step) == "pass" for step in acknowledged)
        ledger.settle(state)
        assert ledger.state(session, len(acknowledged) + 1) in (None, "pass", "sandbox_error")


def kill_often(image: str, state: Path, times: int) -> None:
    chance = random.Random(7)  # noqa: S311 - the same points in every run
    delays = [chance.uniform(0, 1.2) for _ in range(times)]
    names = [f"k{number}-{os.getpid()}" for number in range(times)]
    with ThreadPoolExecutor(3) as pool:  # sessions of one repository, dying next to each other
        list(pool.map(functools.partial(kill_once, image, state), names, delays))
    with sqlite3.connect(state / "runs.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        states = {row[0] for row in database.execute("SELECT DISTINCT state FROM steps")}
    assert states <= {"pass", "sandbox_error"}
    # a box that the engine was still making at a kill is the guardian's, whose last look is at 4 s
    assert until(8.0, lambda: not any(boxes(name) for name in names))
    assert remove_leftovers(state) == 0
    assert list(state.glob("*.lock")) == []


def test_twenty_kills_lose_nothing_and_leave_nothing(sandbox_image: str, tmp_path: Path) -> None:
    kill_often(sandbox_image, tmp_path, 20)


@pytest.mark.slow
def test_two_hundred_kills_lose_nothing_and_leave_nothing(
    sandbox_image: str, tmp_path: Path
) -> None:
    kill_often(sandbox_image, tmp_path, 200)


async def test_two_sessions_of_one_repository_do_not_disturb_each_other(
    sandbox_image: str, tmp_path: Path
) -> None:
    job = Job(argv=["sh", "-c", "sleep 1; echo done"])
    async with (
        DockerSandbox(sandbox_image, session="one", lock_dir=tmp_path) as one,
        DockerSandbox(sandbox_image, session="two", lock_dir=tmp_path) as two,
    ):
        runs = asyncio.gather(one.run(job), two.run(job))
        await asyncio.sleep(0.7)
        assert await asyncio.to_thread(remove_leftovers, tmp_path) == 0
        assert [run.stdout.text for run in await runs] == ["done\n", "done\n"]


class Engine:
    """A Docker engine of the test's own, which may be stopped: nobody else uses it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{folder}/docker.sock"

    def start(self) -> None:
        # after a kill these name processes that are gone, or that nobody has waited for
        (self._folder / "docker.pid").unlink(missing_ok=True)
        (self._folder / "exec-root" / "containerd" / "containerd.pid").unlink(missing_ok=True)
        places = [f"--{name}={self._folder / name}" for name in ("data-root", "exec-root")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    # in a network of its own: an engine without a bridge removes the other's
                    *(
                        "unshare",
                        "--net",
                        "dockerd",
                        *places,
                        f"--pidfile={self._folder}/docker.pid",
                        "-H",
                        self.url,
                    ),
                    *("--bridge=none", "--iptables=false", "--ip6tables=false"),
                ],
                stdout=log,
                stderr=log,
            )
        assert until(30, self._answers), (self._folder / "log").read_text()[-2000:]

    def _answers(self) -> bool:
        with suppress(SandboxError), connect(self.url, timeout_s=5) as client:
            return bool(client.ping())
        return False

    def stop(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None


@pytest.fixture(scope="module")
def private_engine(sandbox_image: str) -> Iterator[Engine]:
    if shutil.which("dockerd") is None:
        pytest.skip("there is no dockerd on this machine to start a second one of")
    folder = Path(f"/tmp/el-dockerd-{os.getpid()}")  # noqa: S108 - a socket's path must be short
    folder.mkdir(mode=0o700)
    engine = Engine(folder)
    try:
        engine.start()
        with connect(timeout_s=120) as shared, connect(engine.url, timeout_s=120) as own:
            list(own.load_image(shared.get_image(sandbox_image)))  # type: ignore[no-untyped-call]
        yield engine
    finally:
        engine.stop(signal.SIGKILL)
        for process in processes(str(folder)):  # what keeps boxes alive when the engine was killed
            os.kill(int(process), signal.SIGKILL)
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if (place := line.split()[1]).startswith(str(folder)):
                subprocess.run(["/usr/bin/umount", "-l", place], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def talking_to(engine: Engine) -> Iterator[None]:
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = engine.url
    try:
        yield
    finally:
        del os.environ["DOCKER_HOST"]
        if before is not None:
            os.environ["DOCKER_HOST"] = before


@needs_root
@pytest.mark.filterwarnings("ignore:.*socket.*:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
async def test_an_engine_that_ends_under_a_run_is_no_verdict_about_the_code(
    private_engine: Engine, sandbox_image: str, tmp_path: Path, ending: signal.Signals
) -> None:
    with talking_to(private_engine):
        async with DockerSandbox(sandbox_image, session="engine", lock_dir=tmp_path) as box:
            up = asyncio.Event()
            job = Job(argv=["sh", "-c", "echo up; sleep 60"], limits=Limits(timeout_s=60))
            run = asyncio.ensure_future(box.run(job, on_output=lambda _: up.set()))
            await asyncio.wait_for(up.wait(), 20)
            began = time.monotonic()
            await asyncio.to_thread(private_engine.stop, ending)
            with pytest.raises(SandboxError):
                await run
            assert time.monotonic() - began < 20
            with pytest.raises(SandboxError):
                await box.run(Job(argv=["true"]))

            await asyncio.to_thread(private_engine.start)
            assert (await box.run(Job(argv=["true"]))).succeeded
        await asyncio.to_thread(remove_leftovers, tmp_path)
        assert await asyncio.to_thread(until, 60.0, lambda: not boxes("engine"))
    del run
    gc.collect()  # the SDK forgets to close a socket to which nobody answered


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mount = ["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["/usr/bin/umount", "-l", str(folder)], check=True)


def fill(ledger: RunLedger) -> None:
    for step in range(5000):
        ledger.create("during", step)


@needs_root
def test_a_full_disk_is_one_sentence_and_nothing_noted_is_lost(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", "1m") as state,
        RunLedger(state / "runs.sqlite3") as ledger,
    ):
        ledger.create("before", 1)
        ledger.finish("before", 1, status=Status.PASS)
        with suppress(OSError):
            (state / "filler").write_bytes(bytes(2**20))
        with pytest.raises(SandboxError, match=r"cannot be noted .*disk is full; .*has room"):
            fill(ledger)
        (state / "filler").unlink()
        assert ledger.state("before", 1) == "pass"
        assert ledger.create("after", 1) == "created"


@needs_root
def test_a_full_disk_stops_a_session_before_it_runs_anything(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k,nr_inodes=3") as state:
        (state / "one").touch()
        (state / "two").touch()
        with (
            pytest.raises(SandboxError, match=r"cannot lock .*: No space left"),
            session_lock(state, "x"),
        ):
            raise AssertionError("it must not begin")


@pytest.mark.parametrize("jump_s", [400 * 24 * 3600, -400 * 24 * 3600])
async def test_a_clock_that_jumps_changes_no_deadline_and_removes_no_living_box(
    sandbox_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    real = time.time
    async with DockerSandbox(sandbox_image, session="jump", lock_dir=tmp_path) as box:
        up = asyncio.Event()
        job = Job(argv=["sh", "-c", "echo up; sleep 60"], limits=Limits(timeout_s=2))
        run = asyncio.ensure_future(box.run(job, on_output=lambda _: up.set()))
        await asyncio.wait_for(up.wait(), 20)
        monkeypatch.setattr(time, "time", lambda: real() + jump_s)
        for place in (tmp_path, tmp_path / "another"):
            assert not any(_is_leftover(labels, place, now=time.time()) for labels in mine())
        execution = await run
    assert execution.ending is Ending.TIMEOUT
    assert 1.9 < execution.duration_s < 3.0
