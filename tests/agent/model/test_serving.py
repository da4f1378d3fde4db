from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from agent.model.http_model import HttpModel
from agent.model.local_server import servers, stop
from agent.model.protocol import (
    AuthenticationError,
    ModelError,
    ModelMissingError,
    Reply,
    ServerStartError,
    ServerUnreachableError,
)
from agent.model.serving import ASSUMED_CONTEXT_LENGTH, AdapterFolder, connect
from agent.paths import Paths
from agent.settings.schema import ModelSettings
from learning.records import Message, Sampling
from tests.fakes.openai_server import FakeServer, serve

SCRIPT = Path(__file__).parents[2] / "fakes" / "serve_script.py"
LAUNCHER = (sys.executable, "-P", str(SCRIPT))
HELLO = (Message(role="user", content="hello"),)


class World:
    """A user's state folder, and what was said while connecting."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(folder / "home")
        self.notices: list[str] = []
        self.progress: list[tuple[str, float]] = []
        self.waits_for_a_sign = False
        """True: time passes, and nothing is looked at, until the server has begun."""

    def connect(
        self,
        model: str = "fake",
        *,
        idle_s: int = 600,
        base_url: str | None = None,
        api_key: str | None = None,
        context_length: int | None = None,
        adapter: AdapterFolder | None = None,
        start_timeout_s: float = 30.0,
        launcher: tuple[str, ...] = LAUNCHER,
    ) -> AbstractAsyncContextManager[HttpModel]:
        return connect(
            model,
            paths=self.paths,
            settings=ModelSettings(
                name=model,
                base_url=base_url,
                api_key=api_key,
                idle_s=idle_s,
                context_length=context_length,
            ),
            launcher=launcher,
            environ={"PATH": os.environ["PATH"], "PYTHONPATH": "/evil"},
            adapter=adapter,
            on_progress=self.told,
            on_notice=self.notices.append,
            start_timeout_s=start_timeout_s,
        )

    def told(self, text: str, elapsed_s: float) -> None:
        self.progress.append((text, elapsed_s))
        while self.waits_for_a_sign and not self.starts():
            time.sleep(0.02)

    def starts(self) -> list[str]:
        files = self.paths.servers.glob("*.starts")
        return [line for file in files for line in file.read_text().splitlines()]

    def states(self) -> list[Path]:
        return list(self.paths.servers.glob("*.json"))

    def pid(self) -> int:
        (state,) = self.states()
        return int(json.loads(state.read_text())["pid"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    for line in world.starts():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)


async def ask(model: HttpModel) -> Reply:
    async for item in model.stream(HELLO, sampling=Sampling()):
        if isinstance(item, Reply):
            return item
    raise AssertionError("no reply")


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            await asyncio.sleep(0.02)


async def until_started(world: World) -> None:
    async with asyncio.timeout(10):
        while not world.starts():  # noqa: ASYNC110 - another process, not a task
            await asyncio.sleep(0.02)


def standard_input(pid: int) -> Path:
    return Path(f"/proc/{pid}/fd/0").readlink()


async def test_a_server_is_started_on_demand_and_answers(world: World) -> None:
    async with world.connect("slow") as model:
        reply = await ask(model)
    assert reply.action.text == "from slow"
    assert reply.action.model == "slow"
    assert model.context_length == 2048
    assert model.endpoint.token_ids
    text, elapsed_s = world.progress[-1]
    assert "slow" in text
    assert elapsed_s > 0.5


async def test_a_second_session_finds_the_server_that_runs(world: World) -> None:
    async with world.connect() as first, world.connect() as second:
        assert first.endpoint.root == second.endpoint.root
    async with world.connect() as third:
        await ask(third)
    assert len(world.starts()) == 1


async def test_two_sessions_at_once_start_only_one_server(world: World) -> None:
    async def use() -> str:
        async with world.connect("slow") as model:
            await ask(model)
            return model.endpoint.root

    roots = await asyncio.gather(use(), use(), use())
    assert len(set(roots)) == 1
    assert len(world.starts()) == 1
    assert any("another session" in text for text, _ in world.progress)


async def test_other_models_and_context_lengths_get_servers_of_their_own(world: World) -> None:
    async with (
        world.connect("one") as one,
        world.connect("two") as two,
        world.connect("one", context_length=1024) as short,
    ):
        assert len({one.endpoint.root, two.endpoint.root, short.endpoint.root}) == 3
        assert short.context_length == 1024
        assert "model.context_length" in short.endpoint.remedy


async def test_the_lease_keeps_the_server_and_its_end_lets_it_go(world: World) -> None:
    async with world.connect(idle_s=0) as model:
        pid = world.pid()
        await asyncio.sleep(0.3)
        await ask(model)
    await until_gone(pid)
    assert world.states() == []


async def test_the_server_outlives_the_session_and_keeps_no_terminal(world: World) -> None:
    async with world.connect():
        pid = world.pid()
        assert os.getsid(pid) == pid != os.getsid(0)
        assert standard_input(pid) == Path("/dev/null")
    os.kill(pid, 0)


async def test_servers_of_sessions_are_listed_and_stopped_under_a_lease(world: World) -> None:
    assert await servers(world.paths) == ()
    async with world.connect("m"):
        (found,) = await servers(world.paths)
        assert (found.answers, found.state.model, found.state.pid) == (True, "m", world.pid())
        await stop(found)
        await until_gone(found.state.pid)
    assert await servers(world.paths) == ()


async def test_a_server_that_hangs_is_stopped_and_a_stranger_with_its_number_is_not(
    world: World,
) -> None:
    async with world.connect("m"):
        pid = world.pid()
    os.kill(pid, signal.SIGSTOP)
    (state,) = world.states()
    stranger = state.with_name("stranger.json")
    stranger.touch(mode=0o600)
    data = json.loads(state.read_text())
    stranger.write_text(json.dumps({**data, "pid": os.getpid(), "url": "http://127.0.0.1:9"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent.model.local_server._HEALTH_TIMEOUT_S", 0.3)
        (found,) = await servers(world.paths)
    assert (found.answers, found.state.pid) == (False, pid)
    os.kill(pid, signal.SIGCONT)
    await stop(found)
    await until_gone(pid)


async def test_the_users_python_path_does_not_reach_the_server(world: World) -> None:
    async with world.connect():
        pass
    assert [line.split()[1] for line in world.starts()] == ["None"]


async def test_the_last_words_of_a_server_that_does_not_start_are_quoted(world: World) -> None:
    with pytest.raises(ServerStartError, match="is not installed; run elagent models pull fails"):
        async with world.connect("fails"):
            pass


async def test_a_launcher_that_does_not_exist_is_named(world: World) -> None:
    with pytest.raises(ServerStartError, match="cannot run /no/such/program"):
        async with world.connect(launcher=("/no/such/program",)):
            pass


async def test_a_server_that_is_never_ready_is_ended(world: World) -> None:
    world.waits_for_a_sign = True
    with pytest.raises(ServerStartError, match="not ready after 1 s"):
        async with world.connect("hangs", start_timeout_s=1.0):
            pass
    await until_gone(int(world.starts()[0].split()[0]))


async def test_cancelling_the_start_ends_the_server_that_was_starting(world: World) -> None:
    async def use() -> None:
        async with world.connect("hangs"):
            pass

    task = asyncio.create_task(use())
    await until_started(world)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until_gone(int(world.starts()[0].split()[0]))


async def test_a_crash_in_mid_session_says_what_to_do_and_the_next_session_recovers(
    world: World,
) -> None:
    async with world.connect() as model:
        await ask(model)
        pid = world.pid()
        os.kill(pid, signal.SIGKILL)
        await until_gone(pid)
        with pytest.raises(ServerUnreachableError, match=r"run the command again .*log is .*\.log"):
            await ask(model)
    # The state file of the dead server is still there.
    assert len(world.states()) == 1
    async with world.connect() as model:
        await ask(model)
    assert len(world.starts()) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"token": "stolen"},
        {"pid": 2**22 + 1},
        {"url": "http://203.0.113.1:80"},
        {"url": "http://127.0.0.1:9"},
        {"url": 5},
    ],
)
async def test_a_state_file_that_does_not_hold_true_is_not_believed(
    world: World, change: dict[str, object]
) -> None:
    async with world.connect():
        pass
    (state,) = world.states()
    state.write_text(json.dumps(json.loads(state.read_text()) | change))
    async with world.connect() as model:
        await ask(model)
    assert len(world.starts()) == 2


async def test_a_state_file_that_others_can_read_is_not_believed(world: World) -> None:
    async with world.connect():
        pass
    (state,) = world.states()
    state.chmod(0o644)
    async with world.connect():
        pass
    assert len(world.starts()) == 2


async def test_the_token_is_in_no_message_or_repr(world: World) -> None:
    async with world.connect() as model:
        (state,) = world.states()
        token = json.loads(state.read_text())["token"]
        assert model.endpoint.api_key == token
        assert token not in repr(model.endpoint)


async def test_the_active_adapter_is_loaded_and_answers(world: World, tmp_path: Path) -> None:
    adapter = AdapterFolder(name="a1", folder=tmp_path)
    async with world.connect(adapter=adapter) as model:
        assert (model.name, model.adapter) == ("fake", "a1")
    async with world.connect() as model:
        assert (model.name, model.adapter) == ("fake", None)


async def test_a_model_given_by_its_path_is_started_from_anywhere(
    world: World, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.gguf"
    weights.touch()
    async with world.connect(str(weights)) as model:
        assert model.name == str(weights)


@pytest.fixture
def other() -> Iterator[FakeServer]:
    with serve(FakeServer()) as server:
        yield server


@contextlib.asynccontextmanager
async def remote(world: World, server: FakeServer, model: str) -> AsyncIterator[HttpModel]:
    async with world.connect(model, base_url=server.url + "/v1") as connected:
        yield connected


async def test_a_base_url_is_used_instead_of_our_server(world: World, other: FakeServer) -> None:
    async with remote(world, other, "fake") as model:
        reply = await ask(model)
    assert reply.action.text == "ok"
    assert reply.action.token_ids == ()
    assert model.context_length == 4096
    assert world.starts() == []


@pytest.mark.parametrize(
    ("entry", "extra", "remedy"),
    [
        (
            {"id": "m", "owned_by": "llamacpp"},
            {"/props": {"default_generation_settings": {"n_ctx": 8192}}},
            "-c",
        ),
        (
            {"id": "m", "owned_by": "library"},
            {"/api/ps": {"models": [{"name": "m", "context_length": 8192}]}},
            "OLLAMA_CONTEXT_LENGTH",
        ),
        (
            {"id": "m", "owned_by": "organization_owner"},
            {"/api/v0/models/m": {"loaded_context_length": 8192}},
            "LM Studio",
        ),
        ({"id": "m", "owned_by": "vllm", "max_model_len": 8192}, {}, "--max-model-len"),
    ],
)
async def test_the_real_context_length_of_known_servers_is_found(
    world: World,
    other: FakeServer,
    entry: dict[str, object],
    extra: dict[str, object],
    remedy: str,
) -> None:
    other.models = [entry]
    other.extra = extra
    async with remote(world, other, "m") as model:
        assert model.context_length == 8192
        assert remedy in model.endpoint.remedy
    assert world.notices == []


async def test_an_unknown_context_length_is_assumed_to_be_small_and_said(
    world: World, other: FakeServer
) -> None:
    other.models = [{"id": "m"}]
    async with remote(world, other, "m") as model:
        assert model.context_length == ASSUMED_CONTEXT_LENGTH
    assert "model.context_length" in world.notices[0]


async def test_the_users_own_limit_holds_if_it_is_smaller(world: World, other: FakeServer) -> None:
    async with world.connect("fake", base_url=other.url, context_length=1000) as model:
        assert model.context_length == 1000
    async with world.connect("fake", base_url=other.url, context_length=100_000) as model:
        assert model.context_length == 4096


async def test_a_model_that_the_server_does_not_have_is_answered_with_its_list(
    world: World, other: FakeServer
) -> None:
    with pytest.raises(ModelMissingError, match=r"'nope'; it has: fake\. Set model\.name"):
        async with remote(world, other, "nope"):
            pass


async def test_names_of_ollama_may_leave_out_latest(world: World, other: FakeServer) -> None:
    other.models = [{"id": "m:latest", "max_model_len": 99}]
    async with remote(world, other, "m") as model:
        assert model.name == "m:latest"


async def test_llama_server_answers_under_any_name_and_it_is_said(
    world: World, other: FakeServer
) -> None:
    other.models = [{"id": "/models/x.gguf", "owned_by": "llamacpp", "max_model_len": 99}]
    async with remote(world, other, "m") as model:
        assert model.name == "/models/x.gguf"
    assert "used instead of m" in world.notices[0]


async def test_an_adapter_that_a_server_cannot_load_is_not_active_and_said(
    world: World, other: FakeServer, tmp_path: Path
) -> None:
    adapter = AdapterFolder(name="a1", folder=tmp_path)
    async with world.connect("fake", base_url=other.url, adapter=adapter) as model:
        assert model.adapter is None
    assert "a1 is not active" in world.notices[0]


async def test_a_wrong_key_and_a_wrong_address_are_told_apart(
    world: World, other: FakeServer
) -> None:
    other.api_key = "right"
    with pytest.raises(AuthenticationError):
        async with world.connect("fake", base_url=other.url, api_key="wrong"):
            pass
    with pytest.raises(ServerUnreachableError):
        async with world.connect("fake", base_url="http://127.0.0.1:9"):
            pass
    started = time.monotonic()
    with pytest.raises(ModelError):
        async with world.connect("fake", base_url="http://nowhere.invalid"):
            pass
    assert time.monotonic() - started < 10
