from __future__ import annotations

import asyncio
import contextlib
import json
import stat
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from learning.model.access import IdleWatch
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.model.engine_thread import EngineThread
from learning.model.replies import LoadedModel
from learning.model.server import ServerInfo, _listen, _run, build_app
from tests.fakes.engine import FakeEngine
from tests.fakes.tiny_llama import build_tiny_model

ASK = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}


@pytest.fixture(scope="session")
def byte_model(tmp_path_factory: pytest.TempPathFactory) -> InstalledModel:
    return build_tiny_model(tmp_path_factory.mktemp("byte-model"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server in this event loop, on a fake engine that says "hé!" with a cut character."""

    client: httpx.AsyncClient
    engine: FakeEngine
    chat: ChatFormat
    model: InstalledModel
    state_file: Path
    watch: IdleWatch
    task: asyncio.Task[None]


@contextlib.asynccontextmanager
async def running(
    model: InstalledModel, tmp_path: Path, *, idle_s: float
) -> AsyncIterator[Running]:
    assert model.hf
    chat = ChatFormat.load(model.hf)
    engine = FakeEngine([*chat.encode_text("hé!"), *chat.encode_text("é")[:1]])
    served = LoadedModel(model, chat, engine, "fake")
    listener = _listen(0)
    info = ServerInfo(
        url=f"http://127.0.0.1:{listener.getsockname()[1]}",
        token="a-token",  # noqa: S106 - of this test
        pid=1,
        model=model.name,
        engine="fake",
        context_length=engine.context_length,
    )
    watch = IdleWatch(idle_s=idle_s, clock=time.monotonic)
    thread = EngineThread()
    state_file = tmp_path / "state" / "server.json"
    app = build_app(served, thread, info, watch, state_file=state_file)
    task = asyncio.create_task(_run(app, listener, watch))
    headers = {"authorization": f"Bearer {info.token}"}
    async with httpx.AsyncClient(
        base_url=info.url, headers=headers, trust_env=False, timeout=20
    ) as client:
        try:
            yield Running(
                client=client,
                engine=engine,
                chat=chat,
                model=model,
                state_file=state_file,
                watch=watch,
                task=task,
            )
        finally:
            engine.endless = False
            task.cancel()
            await asyncio.wait([task])
            thread.close()
            listener.close()


@pytest.fixture
async def server(byte_model: InstalledModel, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(byte_model, tmp_path, idle_s=600) as found:
        yield found


async def chunks(server: Running, **more: object) -> list[dict[str, Any]]:
    body = {**ASK, "stream": True, **more}
    response = await server.client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200
    lines = [line for line in response.text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


async def test_a_stream_tells_text_tokens_logprobs_and_who_spoke(server: Running) -> None:
    first, *middle, last, counts = await chunks(server, logprobs=True, return_token_ids=True)
    assert first["adapter"] is None
    assert first["prompt_token_ids"] == list(server.engine.asked[0][0])
    choices = [chunk["choices"][0] for chunk in middle]
    assert tuple(i for choice in choices for i in choice["token_ids"]) == server.engine.script
    logprobs = [item["logprob"] for c in choices for item in c["logprobs"]["content"]]
    assert logprobs == [-0.5] * len(server.engine.script)
    text = "".join(c["delta"]["content"] for c in [*choices, last["choices"][0]])
    assert text == "hé!\N{REPLACEMENT CHARACTER}"
    assert last["choices"][0]["finish_reason"] == "stop"
    assert counts["usage"]["prompt_tokens_details"] == {"cached_tokens": 3}
    assert counts["usage"]["completion_tokens"] == len(server.engine.script)


async def test_a_whole_reply_says_the_same_as_a_stream(server: Running) -> None:
    body = {**ASK, "logprobs": True, "return_token_ids": True}
    reply = (await server.client.post("/v1/chat/completions", json=body)).json()
    assert reply["choices"][0]["message"]["content"] == "hé!\N{REPLACEMENT CHARACTER}"
    assert tuple(reply["choices"][0]["token_ids"]) == server.engine.script
    assert len(reply["choices"][0]["logprobs"]["content"]) == len(server.engine.script)
    assert reply["prompt_token_ids"] == list(server.engine.asked[0][0])
    assert reply["adapter"] is None


async def test_a_reply_cut_at_its_limit_says_so(server: Running) -> None:
    *_, last, _counts = await chunks(server, max_tokens=2)
    assert last["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("path", "authorization", "status"),
    [
        ("/health", None, 200),
        ("/v1/models", None, 401),
        ("/v1/models", "Bearer a-tokem", 401),
        ("/v1/models", "Bearer", 401),
        ("/v1/models", "Basic a-token", 401),
        ("/v1/models", "Bearer a-token", 200),
        ("/v1/lease", "Bearer wrong", 401),
    ],
)
async def test_everything_but_health_needs_the_token(
    path: str, authorization: str | None, status: int, server: Running
) -> None:
    headers = {"authorization": authorization} if authorization else {}
    async with httpx.AsyncClient(base_url=server.client.base_url, trust_env=False) as stranger:
        assert (await stranger.get(path, headers=headers)).status_code == status


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
async def test_another_host_name_is_refused_even_with_the_token(host: str, server: Running) -> None:
    response = await server.client.get("/v1/models", headers={"host": host})
    assert response.status_code == 403


async def test_a_page_of_a_browser_gets_no_permission(server: Running) -> None:
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    response = await server.client.options("/v1/chat/completions", headers=headers)
    assert "access-control-allow-origin" not in response.headers


async def test_adapters_are_listed_and_used_by_name(server: Running, tmp_path: Path) -> None:
    folder = adapter_for(server.model, tmp_path / "adapter")
    body = {"lora_name": "el-a-v0001-00000000", "lora_path": str(folder)}
    assert (await server.client.post("/v1/load_lora_adapter", json=body)).status_code == 200
    listed = (await server.client.get("/v1/models")).json()["data"]
    assert [(entry["id"], entry["parent"]) for entry in listed] == [
        ("tiny", None),
        ("el-a-v0001-00000000", "tiny"),
    ]
    first, *_ = await chunks(server, model="el-a-v0001-00000000")
    assert first["adapter"] == "el-a-v0001-00000000"
    assert server.engine.asked[-1][1] == "el-a-v0001-00000000"
    first, *_ = await chunks(server, model="tiny")
    assert first["adapter"] is None
    assert server.engine.asked[-1][1] is None


async def test_an_adapter_name_is_never_given_to_other_weights(
    server: Running, tmp_path: Path
) -> None:
    folder = adapter_for(server.model, tmp_path / "adapter")
    body = {"lora_name": "el-a", "lora_path": str(folder)}
    assert (await server.client.post("/v1/load_lora_adapter", json=body)).status_code == 200
    assert (await server.client.post("/v1/load_lora_adapter", json=body)).status_code == 200
    (folder / "adapter_model.safetensors").write_bytes(b"other")
    response = await server.client.post("/v1/load_lora_adapter", json=body)
    assert response.status_code == 400
    assert "never used twice" in response.json()["error"]["message"]


async def test_an_adapter_is_prepared_while_a_reply_goes_on_and_used_after_it(
    server: Running, tmp_path: Path
) -> None:
    folder = adapter_for(server.model, tmp_path / "adapter")
    body = {"lora_name": "el-b", "lora_path": str(folder)}
    server.engine.endless = True
    async with server.client.stream(
        "POST", "/v1/chat/completions", json={**ASK, "stream": True}
    ) as reply:
        received = reply.aiter_lines()
        first = await anext(received)
        loading = asyncio.create_task(server.client.post("/v1/load_lora_adapter", json=body))
        assert await asyncio.to_thread(server.engine.prepared.wait, 10)
        assert server.engine.adapters == []  # the reply in flight keeps what it began with
        server.engine.endless = False
        rest = [line async for line in received]
    assert json.loads(first.removeprefix("data: "))["adapter"] is None
    assert "data: [DONE]" in rest
    assert (await loading).status_code == 200
    assert server.engine.adapters == ["el-b"]


async def test_an_adapter_for_another_model_is_refused_unless_nothing_is_claimed_and_forced(
    server: Running, tmp_path: Path
) -> None:
    folder = adapter_for(server.model, tmp_path / "adapter")
    claim = json.loads((folder / "elagent.json").read_text())
    claim["base"]["template_sha256"] = "0" * 64
    (folder / "elagent.json").write_text(json.dumps(claim))
    body = {"lora_name": "el-a", "lora_path": str(folder)}
    response = await server.client.post("/v1/load_lora_adapter", json=body)
    assert response.status_code == 400
    assert "chat template" in response.json()["error"]["message"]
    assert server.engine.adapters == []
    (folder / "elagent.json").unlink()
    assert (await server.client.post("/v1/load_lora_adapter", json=body)).status_code == 400
    forced = {**body, "force": True}
    assert (await server.client.post("/v1/load_lora_adapter", json=forced)).status_code == 200


async def test_an_unknown_model_is_never_answered_by_the_base(server: Running) -> None:
    response = await server.client.post("/v1/chat/completions", json={**ASK, "model": "el-b"})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert server.engine.asked == []


async def test_a_prompt_that_does_not_fit_is_an_error_with_the_numbers(server: Running) -> None:
    long = {"messages": [{"role": "user", "content": "x" * 300}], "stream": True}
    response = await server.client.post("/v1/chat/completions", json=long)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "context_length_exceeded")
    assert (error["context_length"], error["prompt_tokens"] > 300) == (200, True)
    assert server.engine.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"messages": []}',
        b'{"messages": [{"role": "tool", "content": "x"}]}',
        b'{"messages": [{"role": ["user"], "content": "x"}]}',
        b'{"messages": [{"role": "user", "content": null}]}',
        b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": -1}',
        b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": "many"}',
        b'{"messages": [{"role": "user", "content": "x"}], "temperature": -1}',
        b'{"messages": [{"role": "user", "content": "x"}], "top_p": 0}',
        b'{"messages": [{"role": "user", "content": "x"}], "n": 2}',
        b'{"messages": [{"role": "user", "content": "x"}], "stop": ["a"]}',
        b'{"messages": [{"role": "user", "content": "x"}], "tools": [{}]}',
        b'{"messages": [{"role": "user", "content": "x"}], "model": 5}',
        b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
        b'{"messages": [{"role": "user", "content": "x"}], "temperature": Infinity}',
        b'{"messages": [{"role": "user", "content": "x"}], "temperature": 1e999}',
        b'{"messages": [{"role": "user", "content": "x"}], "seed": 1' + b"0" * 400 + b"}",
        b'{"messages": [{"role": "user", "content": "x"}], "seed": 1' + b"0" * 9000 + b"}",
        b'{"messages": [{"role": "user", "content": "half \\ud83d"}]}',
        b'{"messages": [{"role": "user", "content": "x"}], "user": "\\udc00"}',
        b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\xff\xfe",
    ],
)
async def test_a_bad_request_is_refused_with_a_reason(body: bytes, server: Running) -> None:
    response = await server.client.post("/v1/chat/completions", content=body)
    assert response.status_code == 400
    assert response.json()["error"]["message"]
    assert server.engine.asked == []


async def test_an_engine_that_died_is_started_anew_for_the_next_request(server: Running) -> None:
    server.engine.alive = False
    assert await chunks(server)
    assert server.engine.revived == 1
    server.engine.alive = False
    assert (await server.client.get("/health")).json() == {"status": "ok"}
    assert server.engine.revived == 2


@pytest.mark.parametrize("path", ["/health", "/v1/chat/completions"])
async def test_a_server_whose_engine_is_lost_says_so_and_ends(path: str, server: Running) -> None:
    server.engine.alive, server.engine.curable = False, False
    if path == "/health":
        answer = await server.client.get(path)
        assert (answer.status_code, answer.json()["status"]) == (503, "engine lost")
    else:
        answer = await server.client.post(path, json=ASK)
        assert answer.status_code == 500
    assert "no memory" in answer.text
    async with asyncio.timeout(10):
        await server.task
    assert not server.state_file.exists()


async def test_a_server_that_is_asked_to_stop_ends_under_an_open_lease(server: Running) -> None:
    async with server.client.stream("GET", "/v1/lease"):
        assert (await server.client.post("/v1/stop")).status_code == 200
        async with asyncio.timeout(10):
            await server.task
    assert not server.state_file.exists()


@pytest.mark.parametrize("begun", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: 127"])
async def test_a_request_whose_head_never_ends_is_closed(
    begun: bytes, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("learning.model.http_protocol.HEAD_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.client.base_url.port)
    writer.write(begun)
    async with asyncio.timeout(5):
        assert b"200" not in await reader.read()
    writer.close()


async def test_a_body_that_never_ends_is_refused(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("learning.model.api._BODY_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.client.base_url.port)
    head = "POST /tokenize HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer a-token\r\n"
    writer.write(f"{head}Content-Length: 99\r\n\r\n{{".encode())
    async with asyncio.timeout(5):
        assert b"400 Bad Request" in await reader.readline()
    writer.close()


async def test_content_in_parts_is_joined(server: Running) -> None:
    parts = [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]
    await chunks(server, messages=[{"role": "user", "content": parts}])
    await chunks(server)
    assert server.engine.asked[0] == server.engine.asked[1]


async def test_tokens_are_counted_as_they_will_be_read(server: Running) -> None:
    counted = (await server.client.post("/tokenize", json=ASK)).json()
    await chunks(server)
    assert tuple(counted["tokens"]) == server.engine.asked[0][0]
    assert (counted["count"], counted["max_model_len"]) == (len(counted["tokens"]), 200)


async def test_a_client_that_goes_away_ends_the_generation(server: Running) -> None:
    server.engine.endless = True
    body = {**ASK, "stream": True}
    async with server.client.stream("POST", "/v1/chat/completions", json=body) as response:
        async for _ in response.aiter_bytes():
            break
    assert await asyncio.to_thread(server.engine.ended.wait, 10)


async def test_a_client_that_goes_away_while_it_waits_is_forgotten(server: Running) -> None:
    server.engine.endless = True
    body = {**ASK, "stream": True}
    async with server.client.stream("POST", "/v1/chat/completions", json=body) as first:
        received = first.aiter_bytes()
        await anext(received)
        async with server.client.stream("POST", "/v1/chat/completions", json=body):
            pass
        async with asyncio.timeout(10):
            while server.watch._open > 1:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.01)
        assert len(server.engine.asked) == 1
    assert await asyncio.to_thread(server.engine.ended.wait, 10)
    server.engine.endless = False
    await chunks(server)
    assert len(server.engine.asked) == 2


async def test_an_engine_that_dies_in_a_reply_is_an_error_event(server: Running) -> None:
    server.engine.fails_after = 1
    body = {**ASK, "stream": True}
    text = (await server.client.post("/v1/chat/completions", json=body)).text
    last = json.loads(text.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["error"]["message"] == "the engine died"
    whole = await server.client.post("/v1/chat/completions", json=ASK)
    assert whole.status_code == 500


async def test_the_state_file_is_private_and_complete(server: Running) -> None:
    await server.client.get("/health")
    state = json.loads(server.state_file.read_text())
    assert state["token"] == "a-token"  # noqa: S105 - of this test
    assert state["url"] == str(server.client.base_url)
    assert stat.S_IMODE(server.state_file.stat().st_mode) == 0o600
    assert [path.name for path in server.state_file.parent.iterdir()] == ["server.json"]


async def test_the_server_ends_after_its_last_lease_and_not_before(
    byte_model: InstalledModel, tmp_path: Path
) -> None:
    async with running(byte_model, tmp_path, idle_s=0) as server:
        async with server.client.stream("GET", "/v1/lease") as lease:
            assert lease.status_code == 200
            ended, _ = await asyncio.wait([server.task], timeout=2.5)
            assert not ended
        ended, _ = await asyncio.wait([server.task], timeout=5)
        assert ended
        assert not server.state_file.exists()


def test_idle_time_counts_from_the_last_thing_that_ended() -> None:
    now = [0.0]
    watch = IdleWatch(idle_s=100, clock=lambda: now[0])
    watch.begin(lease=True)
    watch.begin()
    now[0] = 500
    watch.end()
    assert watch.remaining_s() > 0
    now[0] = 600
    watch.end()
    assert watch.remaining_s() == 100
    now[0] = 700
    assert watch.remaining_s() <= 0


def test_a_server_without_clients_waits_for_the_one_that_started_it() -> None:
    now = [0.0]
    watch = IdleWatch(idle_s=0, clock=lambda: now[0])
    now[0] = 30
    watch.begin()
    watch.end()
    assert watch.remaining_s() > 0
    now[0] = 91
    assert watch.remaining_s() <= 0


def adapter_for(model: InstalledModel, folder: Path) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    base = {
        "weights_sha256": model.identity.weights_sha256,
        "tokenizer_sha256": model.identity.tokenizer_sha256,
        "template_sha256": model.identity.template_sha256,
    }
    (folder / "elagent.json").write_text(json.dumps({"base": base}))
    return folder


async def test_an_engine_that_fills_no_gaps_and_chooses_no_words_says_so_with_a_status_of_its_own(
    server: Running,
) -> None:
    said = [{"role": "user", "content": "hello"}]
    bodies = {
        "/v1/infill": {"model": "", "prefix": "a = ", "suffix": "\n"},
        "/v1/choose": {"model": "", "messages": said, "begun": "np", "choices": [".a"]},
    }
    for path, body in bodies.items():
        response = await server.client.post(path, json=body)
        assert response.status_code == 501
        assert response.json()["error"]["code"] == "cannot_fill"
