from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.model.http_client import Endpoint
from agent.model.http_model import HttpModel
from agent.model.openai_api import api_root
from agent.model.protocol import (
    AdapterRefusedError,
    AuthenticationError,
    ContextLengthError,
    FillRequest,
    Model,
    ModelError,
    ModelMissingError,
    Reply,
    ReplyTimeoutError,
    ServerUnreachableError,
)
from agent.model.values import harmless
from agent.model.waiting import Patience
from learning.records import Message, Sampling
from tests.fakes.openai_server import FakeServer, Scripted, failure, serve, text

HELLO = (Message(role="user", content="say hello"),)
GAP = FillRequest(prefix="a = ", suffix="\n")
SAMPLING = Sampling(temperature=0.5, top_p=0.9, seed=3, max_tokens=50)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve(FakeServer()) as running:
        yield running


class Waits:
    """Records how long was waited, without waiting."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def connect(
    server: FakeServer,
    *,
    waits: Waits | None = None,
    patience: Patience | None = None,
    endpoint: Endpoint | None = None,
) -> HttpModel:
    endpoint = endpoint or Endpoint(root=server.url, name="fake", context_length=4096)
    return HttpModel(endpoint, patience=patience, sleep=waits or Waits(), jitter=lambda: 0.5)


async def ask(model: Model, messages: tuple[Message, ...] = HELLO) -> tuple[list[str], Reply]:
    pieces, reply = [], None
    async for item in model.stream(messages, sampling=SAMPLING):
        if isinstance(item, str):
            pieces.append(item)
        elif isinstance(item, Reply):
            assert reply is None
            reply = item
    assert reply is not None
    return pieces, reply


async def test_a_text_only_server_gives_text_without_token_ids(server: FakeServer) -> None:
    server.script = [text("def ", "f():", " pass")]
    async with connect(server) as model:
        pieces, reply = await ask(model)
    assert pieces == ["def ", "f():", " pass"]
    assert reply.action.text == "def f(): pass"
    assert reply.action.token_ids == ()
    assert reply.action.logprobs is None
    assert reply.action.sampling == SAMPLING
    assert (reply.action.model, reply.action.adapter) == ("fake", None)
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, 3)
    assert "return_token_ids" not in server.requests[0]
    assert server.requests[0]["messages"] == [{"role": "user", "content": "say hello"}]
    assert server.requests[0]["seed"] == 3


async def test_our_server_gives_tokens_and_stamps_the_adapter(server: FakeServer) -> None:
    server.token_ids = True
    reply = Scripted(
        pieces=("a", "b"), finish="length", prompt_ids=(1, 2, 3), adapter="a1", cached_tokens=2
    )
    server.script = [reply]
    endpoint = Endpoint(
        root=server.url, name="fake", context_length=99, token_ids=True, adapter="asked"
    )
    async with connect(server, endpoint=endpoint) as model:
        _, reply_got = await ask(model)
    action = reply_got.action
    assert action.prompt_ids == (1, 2, 3)
    assert action.token_ids == (100, 101)
    assert action.logprobs == (0.0, -0.5)
    assert (action.model, action.adapter, action.finish) == ("fake", "a1", "length")
    assert reply_got.cached_tokens == 2
    assert server.requests[0]["model"] == "asked"


async def test_token_ids_without_their_log_probabilities_are_still_told(
    server: FakeServer,
) -> None:
    chunks: list[dict[str, object]] = [
        {"prompt_token_ids": [1], "choices": [{"delta": {"content": "a"}, "token_ids": [5, 6]}]},
        {"choices": [{"delta": {}, "finish_reason": "stop", "logprobs": {"content": []}}]},
    ]
    server.script = [Scripted(raw=sse(chunks))]
    async with connect(server) as model:
        _, reply = await ask(model)
    assert reply.action.token_ids == (5, 6)
    assert reply.action.logprobs is None


def sse(chunks: list[dict[str, object]], *, end: str = "\n\n") -> bytes:
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}" for chunk in chunks]
    return end.join(["", ": a comment", "event: x", *lines, "data: [DONE]", ""]).encode()


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\n"])
async def test_any_line_ends_and_any_unicode_arrive_unchanged(server: FakeServer, end: str) -> None:
    # U+2028, U+0085 and form feed end a line for str.splitlines, but not in an event stream.
    said = "é\u2028\u0085\x0c\U0001f600 x"
    chunks: list[dict[str, object]] = [
        {"choices": [{"delta": {"content": said}}]},
        {"choices": [{"delta": {"content": None}, "finish_reason": "stop"}]},
    ]
    server.script = [Scripted(raw=sse(chunks, end=end))]
    async with connect(server) as model:
        _, reply = await ask(model)
    assert reply.action.text == said


async def test_a_server_that_does_not_stream_is_understood(server: FakeServer) -> None:
    whole = {
        "choices": [{"message": {"content": "all at once"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3},
    }
    server.script = [
        Scripted(raw=json.dumps(whole).encode(), content_type="application/json; charset=utf-8")
    ]
    async with connect(server) as model:
        pieces, reply = await ask(model)
    assert pieces == ["all at once"]
    assert reply.completion_tokens == 3


@pytest.mark.parametrize(
    "trouble",
    [
        failure(429, "slow down"),
        failure(500, "hiccup"),
        failure(503, "loading"),
        Scripted(drop=True),
        Scripted(finish=None),
    ],
)
async def test_trouble_before_the_first_token_is_tried_again(
    server: FakeServer, trouble: Scripted
) -> None:
    server.script = [trouble, trouble, text("fine")]
    waits = Waits()
    async with connect(server, waits=waits) as model:
        pieces, _ = await ask(model)
    assert pieces == ["fine"]
    assert waits.seconds == [0.5, 1.0]


async def test_the_server_may_say_how_long_to_wait_but_not_too_long(server: FakeServer) -> None:
    server.script = [
        Scripted(status=429, headers={"retry-after": "7"}),
        Scripted(status=429, headers={"retry-after": "3600"}),
        text("fine"),
    ]
    waits = Waits()
    async with connect(server, waits=waits) as model:
        await ask(model)
    assert waits.seconds == [7.0, 30.0]


async def test_retries_are_bounded(server: FakeServer) -> None:
    server.script = [failure(503, "overloaded")]
    async with connect(server) as model:
        with pytest.raises(ModelError, match="HTTP 503: overloaded"):
            await ask(model)
    assert len(server.requests) == Patience().attempts


async def test_a_connection_lost_after_the_first_token_is_never_asked_again(
    server: FakeServer,
) -> None:
    server.script = [Scripted(pieces=("half a",), finish=None), text("another")]
    async with connect(server) as model:
        with pytest.raises(ServerUnreachableError, match="in the middle of a reply"):
            await ask(model)
    assert len(server.requests) == 1


async def test_an_error_inside_the_stream_is_an_error(server: FakeServer) -> None:
    server.script = [Scripted(pieces=("a",), error={"message": "engine died"}, finish=None)]
    async with connect(server) as model:
        with pytest.raises(ModelError, match="engine died"):
            await ask(model)


async def test_nobody_there_says_where_and_what_to_check() -> None:
    endpoint = Endpoint(root="http://127.0.0.1:9", name="m", context_length=99)
    async with HttpModel(endpoint, sleep=Waits()) as model:
        with pytest.raises(ServerUnreachableError, match=r"127\.0\.0\.1:9 .*model\.base_url"):
            await ask(model)


async def test_a_wrong_path_says_that_no_api_is_there(server: FakeServer) -> None:
    endpoint = Endpoint(root=server.url + "/wrong", name="m", context_length=99)
    async with connect(server, endpoint=endpoint) as model:
        with pytest.raises(ServerUnreachableError, match="no OpenAI-compatible API"):
            await ask(model)


async def test_a_missing_model_is_answered_with_the_ones_that_are_there(
    server: FakeServer,
) -> None:
    server.script = [failure(404, "model not found", code="model_not_found")]
    server.models = [{"id": "qwen"}, {"id": "smol"}]
    async with connect(server) as model:
        with pytest.raises(ModelMissingError, match=r"'fake'; it has: qwen, smol"):
            await ask(model)


@pytest.mark.parametrize(
    ("reply", "prompt_tokens", "limit"),
    [
        (failure(400, "too long", code="context_length_exceeded"), None, 4096),
        (
            failure(
                400,
                "the request exceeds the available context size",
                type="exceed_context_size_error",
                n_prompt_tokens=9000,
                n_ctx=2048,
            ),
            9000,
            2048,
        ),
        (failure(400, "This model's maximum context length is 4096 tokens."), None, 4096),
        (failure(500, "prompt exceeds the context window"), None, 4096),
    ],
)
async def test_a_prompt_that_does_not_fit_names_the_sizes_and_the_remedy(
    server: FakeServer, reply: Scripted, prompt_tokens: int | None, limit: int
) -> None:
    server.script = [reply]
    endpoint = Endpoint(root=server.url, name="m", context_length=4096, remedy="raise num_ctx")
    async with connect(server, endpoint=endpoint) as model:
        with pytest.raises(ContextLengthError, match="raise num_ctx") as caught:
            await ask(model)
    assert caught.value.prompt_tokens == prompt_tokens
    assert caught.value.context_length == limit
    assert str(limit) in str(caught.value)
    assert len(server.requests) == 1


async def test_a_hopeless_prompt_is_refused_before_a_server_can_cut_it(
    server: FakeServer,
) -> None:
    endpoint = Endpoint(root=server.url, name="m", context_length=100)
    async with connect(server, endpoint=endpoint) as model:
        with pytest.raises(ContextLengthError, match="at least 125 tokens"):
            await ask(model, (Message(role="user", content="x" * 1000),))
    assert server.requests == []


async def test_a_refused_key_is_named_but_never_shown(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    server.api_key = "right"
    endpoint = Endpoint(root=server.url, name="m", context_length=99, api_key="sk-wrong")
    async with connect(server, endpoint=endpoint) as model:
        with pytest.raises(AuthenticationError, match="ELAGENT_MODEL_API_KEY") as caught:
            await ask(model)
        assert "sk-wrong" not in repr(endpoint) + repr(model) + str(caught.value)
    assert "sk-wrong" not in caplog.text


async def test_a_server_that_echoes_the_key_does_not_get_it_into_messages(
    server: FakeServer,
) -> None:
    server.script = [failure(400, "bad request from sk-mine")]
    endpoint = Endpoint(root=server.url, name="m", context_length=99, api_key="sk-mine")
    async with connect(server, endpoint=endpoint) as model:
        with pytest.raises(ModelError, match=r"bad request from \*\*\*"):
            await ask(model)


async def test_the_key_is_sent_as_a_bearer_token(server: FakeServer) -> None:
    server.api_key = "sk-mine"
    endpoint = Endpoint(root=server.url, name="m", context_length=99, api_key="sk-mine")
    async with connect(server, endpoint=endpoint) as model:
        pieces, _ = await ask(model)
    assert pieces == ["ok"]


async def test_silence_before_the_first_token_ends_in_a_time_out(server: FakeServer) -> None:
    server.script = [Scripted(pieces=("late",), delay_s=30)]
    async with connect(server, patience=Patience(first_token_s=0.3)) as model:
        with pytest.raises(ReplyTimeoutError, match="sent nothing for"):
            await ask(model)


async def test_cancelling_closes_the_connection_at_once(server: FakeServer) -> None:
    server.script = [Scripted(pieces=("a",) * 1000, delay_s=0.05)]
    async with connect(server) as model:
        task = asyncio.create_task(ask(model))
        assert await asyncio.to_thread(server.streaming.wait, 5)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 0.2
        assert await asyncio.to_thread(server.disconnected.wait, 2)


async def test_leaving_the_loop_early_closes_the_connection(server: FakeServer) -> None:
    server.script = [Scripted(pieces=("a",) * 1000, delay_s=0.05)]
    async with connect(server) as model:
        stream = model.stream(HELLO, sampling=SAMPLING)
        async for _ in stream:
            break
        await stream.aclose()
        assert await asyncio.to_thread(server.disconnected.wait, 2)


async def test_tokens_are_counted_by_the_server_or_estimated_upwards(server: FakeServer) -> None:
    messages = (Message(role="user", content="one two three"),)
    async with connect(server) as model:
        assert await model.count_tokens(messages) >= 4
        assert await model.count_tokens(messages) >= 4
    assert server.paths.count("/tokenize") == 1
    server.counts_tokens = True
    async with connect(server) as model:
        assert await model.count_tokens(messages) == 3


async def test_adapters_are_loaded_once_and_then_answer(server: FakeServer) -> None:
    server.loads_adapters = True
    async with connect(server) as model:
        await model.server.load_adapter("a1", Path("/adapters/a1"))
        await model.server.load_adapter("a1", Path("/adapters/a1"))
        with_adapter = model.at(replace(model.endpoint, adapter="a1"))
        await ask(with_adapter)
    assert server.paths.count("/v1/load_lora_adapter") == 1
    assert server.requests[0]["model"] == "a1"


async def test_a_refused_adapter_is_quoted(server: FakeServer) -> None:
    server.loads_adapters = True
    server.refuses_adapters = "made for another tokenizer"
    async with connect(server) as model:
        with pytest.raises(AdapterRefusedError, match="made for another tokenizer"):
            await model.server.load_adapter("a1", Path("/adapters/a1"))


async def test_a_server_without_adapters_says_so(server: FakeServer) -> None:
    async with connect(server) as model:
        with pytest.raises(AdapterRefusedError, match="cannot load adapters"):
            await model.server.load_adapter("a1", Path("/adapters/a1"))


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("http://localhost:11434", "http://localhost:11434"),
        ("http://localhost:11434/", "http://localhost:11434"),
        ("http://localhost:11434/v1", "http://localhost:11434"),
        ("http://localhost:11434/v1/", "http://localhost:11434"),
        ("localhost:8000", "http://localhost:8000"),
        ("https://host/proxy/v1", "https://host/proxy"),
        ("https://host/v1/chat/completions", "https://host"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
    ],
)
def test_addresses_are_understood_with_and_without_v1(given: str, root: str) -> None:
    assert api_root(given) == root


@pytest.mark.parametrize(
    "given",
    ["", "ftp://host", "http://", "http://me:secret@host", "http://host/?key=1", "http://h:99999"],
)
def test_unusable_addresses_are_refused(given: str) -> None:
    with pytest.raises(ConfigError, match=r"model\.base_url"):
        api_root(given)


def test_what_a_server_says_is_made_harmless() -> None:
    assert harmless("a\x1b[31m\nb") == "a [31m b"
    assert len(harmless("x" * 1000)) < 320


@pytest.mark.parametrize("status", [400, 500, 503])
async def test_one_gap_that_is_not_filled_does_not_end_the_filling(
    server: FakeServer, status: int
) -> None:
    server.infill = [status, 200]
    endpoint = Endpoint(root=server.url, name="fake", context_length=4096, token_ids=True)
    async with connect(server, endpoint=endpoint) as model:
        assert await model.fill(GAP) == ()
        (fill,) = await model.fill(GAP)
    assert fill.text == "0"


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_that_fills_no_gaps_is_asked_once(server: FakeServer, status: int) -> None:
    server.infill = [status, 200]
    endpoint = Endpoint(root=server.url, name="fake", context_length=4096, token_ids=True)
    async with connect(server, endpoint=endpoint) as model:
        assert await model.fill(GAP) == ()
        assert await model.fill(GAP) == ()
    assert server.paths.count("/v1/infill") == 1


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_that_cannot_choose_is_asked_once_and_goes_on_nowhere(
    server: FakeServer, status: int
) -> None:
    server.choose = [status, 200]
    endpoint = Endpoint(root=server.url, name="fake", context_length=4096, token_ids=True)
    async with connect(server, endpoint=endpoint) as model:
        assert model.continues
        assert await model.choose(HELLO, "np", [".a", ".b"]) == ""
        assert await model.choose(HELLO, "np", [".a", ".b"]) == ""
        assert not model.continues
    assert server.paths.count("/v1/choose") == 1


async def test_a_reply_goes_on_behind_the_beginning_that_was_chosen(server: FakeServer) -> None:
    server.choose = [200]
    endpoint = Endpoint(root=server.url, name="fake", context_length=4096, token_ids=True)
    async with connect(server, endpoint=endpoint) as model:
        assert await model.choose(HELLO, "np", [".a", ".b"]) == ".a"
        async for _ in model.stream(HELLO, sampling=Sampling(), begun="np.a"):
            pass
    (body,) = server.requests
    assert body["continue_final_message"] is True
    assert body["messages"][-1] == {"role": "assistant", "content": "np.a"}  # type: ignore[index]


async def test_a_foreign_server_is_never_asked_to_go_on(server: FakeServer) -> None:
    async with connect(server) as model:
        assert not model.continues
        assert await model.choose(HELLO, "np", [".a"]) == ""
    assert "/v1/choose" not in server.paths
