"""What servers really send, over real HTTP: each is read rightly, or named for what it is."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given, strategies as st

from agent.errors import (
    AuthenticationError,
    ContextLengthError,
    ModelError,
    ModelMissingError,
    ReplyRefusedError,
    ServerLoadingError,
    ServerUnreachableError,
)
from agent.model.event_stream import DONE, NoJsonError, read_values
from agent.model.http_client import Endpoint
from agent.model.http_model import HttpModel
from agent.model.openai_api import address
from agent.model.protocol import Reply
from agent.model.waiting import Patience
from agent.reply.parse import parse_reply
from agent.reply.parsed import FileEdits, ShellCommand
from learning.records import Message, Sampling
from tests.fakes.openai_server import FakeServer, Scripted, failure, serve, text

SYSTEM = Message(role="system", content="be brief")
HELLO = Message(role="user", content="say hello")
CALL = {"name": "write_file", "arguments": '{"path": "a.py", "content": "x = \'</tool_call>\'\\n"}'}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve(FakeServer()) as running:
        yield running


async def _at_once(_seconds: float) -> None:
    pass


async def ask(server: FakeServer, *scripted: Scripted, key: str | None = None) -> Reply:
    server.script = list(scripted)
    endpoint = Endpoint(root=server.url, name="m", context_length=4096, api_key=key)
    patience = Patience(attempts=2, loading_s=0.0)
    async with HttpModel(endpoint, sleep=_at_once, patience=patience) as model:
        items = [item async for item in model.stream((SYSTEM, HELLO), sampling=Sampling())]
    reply = items[-1]
    assert isinstance(reply, Reply)
    assert "".join(item for item in items if isinstance(item, str)) == reply.action.text
    return reply


def events(*values: object, end: str = "data: [DONE]\n\n") -> bytes:
    said = (value if isinstance(value, str) else json.dumps(value) for value in values)
    return "".join(f"data: {item}\n\n" for item in said).encode() + end.encode()


def delta(finish: object = None, **message: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": message, "finish_reason": finish}]}


def stream(*deltas: dict[str, object], finish: str = "stop") -> Scripted:
    return Scripted(raw=events(*deltas, delta(finish)))


def whole(**message: object) -> Scripted:
    body = {"choices": [{"message": message, "finish_reason": "stop"}]}
    return Scripted(raw=json.dumps(body).encode(), content_type="application/json")


THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
PARTS: list[object] = [
    "hi",
    [{"type": "text", "text": "hi"}],
    [THINKING, {"type": "text", "text": "h"}, {"type": "text", "text": "i"}],
    [{"type": "output_text", "text": "hi", "annotations": []}],
    [{"type": "text", "text": {"value": "hi"}}],
    [{"type": "reasoning", "reasoning": "hm"}, "hi"],
    [{"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": "hi"}],
    [{"text": "hm", "thought": True}, {"text": "hi"}],
    [None, {"type": "from_next_year", "x": 1}, {"type": "text", "text": "hi"}],
    {"type": "text", "text": "hi"},
]


@pytest.mark.parametrize("content", PARTS)
async def test_content_is_read_in_every_form(server: FakeServer, content: object) -> None:
    assert (await ask(server, stream(delta(content=content)))).action.text == "hi"
    assert (await ask(server, whole(role="assistant", content=content))).action.text == "hi"


@pytest.mark.parametrize(
    "thought",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"thinking": "hm"},
        {"reasoning": {"content": "hm"}},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
        {"content": [THINKING]},
        {"reasoning_content": "hm", "reasoning": "hm"},
    ],
)
async def test_a_thought_is_told_apart_from_the_answer(
    server: FakeServer, thought: dict[str, object]
) -> None:
    alone = await ask(server, stream(delta(**{"content": "", **thought}), finish="length"))
    assert (alone.action.text, alone.thought, alone.action.finish) == ("", "hm", "length")
    both = await ask(server, stream(delta(**thought), delta(content="hi")))
    assert (both.action.text, both.thought) == ("hi", "hm")


@pytest.mark.parametrize(
    "deltas",
    [
        [delta(tool_calls=[{"index": 0, "id": "a", "type": "function", "function": CALL}])],
        [
            delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": CALL["name"]}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": CALL["arguments"][:20]}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": CALL["arguments"][20:]}}]),
        ],
        [delta(function_call=CALL)],
        [delta(tool_calls=[{"function": {**CALL, "arguments": json.loads(CALL["arguments"])}}])],
        [delta(content=[{"type": "tool_use", "name": CALL["name"],
                         "input": json.loads(CALL["arguments"])}])],
        [delta(tool_calls=[{"function": {**CALL, "name": "functions.write_file<|channel|>json"}}])],
    ],
)  # fmt: skip
async def test_a_native_call_is_read_like_one_that_the_model_wrote(
    server: FakeServer, deltas: list[dict[str, object]]
) -> None:
    reply = await ask(server, stream(*deltas, finish="tool_calls"))
    reading = parse_reply(reply.action.text, known_paths={"a.py"})
    assert isinstance(reading, FileEdits)
    assert [(edit.path, edit.content) for edit in reading.edits] == [
        ("a.py", "x = '</tool_call>'\n")
    ]


async def test_two_calls_under_one_index_stay_two(server: FakeServer) -> None:
    calls = [
        {
            "index": 0,
            "id": name,
            "function": {"name": "run", "arguments": json.dumps({"cmd": name})},
        }
        for name in ("ls", "pwd")
    ]
    reply = await ask(
        server, stream(delta(content="Looking."), *(delta(tool_calls=[c]) for c in calls))
    )
    reading = parse_reply(reply.action.text, known_paths=())
    assert isinstance(reading, ShellCommand)
    assert reading.command == "ls\npwd"


async def test_a_call_that_was_cut_off_is_no_call(server: FakeServer) -> None:
    cut = {"name": "write_file", "arguments": '{"path": "a.py", "content": "x = '}
    reply = await ask(server, stream(delta(tool_calls=[{"index": 0, "function": cut}])))
    assert not isinstance(parse_reply(reply.action.text, known_paths={"a.py"}), FileEdits)


HI = delta(content="hi")
END = delta("stop")


@pytest.mark.parametrize(
    "raw",
    [
        events(HI, END),
        events(HI, END, end=""),
        events(HI),
        events(HI, END).replace(b"data: ", b"data:"),
        events(HI, END).replace(b"\n", b"\r\n"),
        events(HI, END).replace(b"\n", b"\r"),
        events(HI, END).replace(b"\n\n", b"\n"),
        b"\xef\xbb\xbf" + events(HI, END),
        b": OPENROUTER PROCESSING\n\n" + events(HI, END).replace(b"\n\n", b"\n\n: keep-alive\n\n"),
        events("", "ping", HI, END),
        b"retry: 3000\nid: 7\nevent: message\n" + events(HI, END),
        json.dumps(HI, indent=1).replace("\n", "\ndata: ").join(["data: ", "\n\n"]).encode()
        + events(END),
        events({"choices": []}, {"choices": None}, {"choices": [None]}, HI, END),
        events(delta(content=None), delta(role="assistant"), HI, {"choices": [{"delta": None}]}, END),
        events(HI, {"choices": [{"delta": {}, "finish_reason": ""}]}),
        events(HI, {"choices": [], "usage": {"prompt_tokens": "7", "completion_tokens": 2.0}}, end=""),
        events({"error": None, **HI}, END),
        events({"choices": [{"text": "hi", "finish_reason": "eos_token"}]}),
        json.dumps({"choices": [{"message": {"content": "hi"}}]}).encode(),
        b"\n\n" + json.dumps({"choices": [{"message": {"content": "hi"}}]}, indent=2).encode(),
        json.dumps(HI).encode() + b"\n" + json.dumps(END).encode() + b"\n",
        events({"choices": [{"delta": {"content": "h"}}]}, delta(content="i"), END),
    ],
)  # fmt: skip
@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json", "text/plain"])
async def test_every_framing_is_read(server: FakeServer, raw: bytes, content_type: str) -> None:
    reply = await ask(server, Scripted(raw=raw, content_type=content_type))
    assert reply.action.text == "hi"


async def test_numbers_may_be_texts(server: FakeServer) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": "7", "completion_tokens": 2.0}}
    reply = await ask(server, Scripted(raw=events(HI, END, usage)))
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, 2)


async def test_a_character_in_two_pieces_is_one(server: FakeServer) -> None:
    first, second = "😀".encode("utf-16-be")[:2], "😀".encode("utf-16-be")[2:]
    halves = [delta(content=half.decode("utf-16-be", "surrogatepass")) for half in (first, second)]
    assert (await ask(server, stream(*halves))).action.text == "😀"
    assert (await ask(server, stream(halves[0]))).action.text == "\ufffd"


async def test_a_packed_reply_is_unpacked(server: FakeServer) -> None:
    packed = Scripted(raw=gzip.compress(events(HI, END)), headers={"content-encoding": "gzip"})
    assert (await ask(server, packed)).action.text == "hi"
    wrong = Scripted(raw=events(HI, END), headers={"content-encoding": "gzip"})
    with pytest.raises(ServerUnreachableError, match="compression"):
        await ask(server, wrong)


PAGE = b"<!DOCTYPE html><html><head><title>Sign in &amp; go</title></head><body>x</body></html>"


@pytest.mark.parametrize(
    ("sent", "kind", "said"),
    [
        (Scripted(raw=PAGE, content_type="text/html"), ServerUnreachableError,
         r"web page \(Sign in & go\).*model\.base_url, which usually ends in /v1"),
        (Scripted(raw=PAGE), ServerUnreachableError, "web page"),
        (Scripted(raw=b"Internal Server Error"), ModelError, "no JSON: Internal Server Error"),
        (Scripted(raw=b""), ModelError, "ended without a reply"),
        (Scripted(raw=b'{"choices": []}'), ModelError, "ended without a reply"),
        (Scripted(raw=events(HI, end="")), ModelError, "ended in the middle of a reply"),
        (Scripted(raw=b'data: {"choices": [\n\n'), ModelError, "no JSON"),
        (Scripted(raw=events({"hello": 1})), ModelError, r"not answer.*hello.*model\.base_url"),
        (Scripted(raw=b'{"object": "list"}'), ModelError, r"not answer.*model\.base_url"),
        (stream(HI, finish="content_filter"), ReplyRefusedError, "content filter"),
        (stream(finish="SAFETY"), ReplyRefusedError, "content filter"),
        (stream(delta(refusal="I can't.")), ReplyRefusedError, r"refuses to answer \(I can't\.\)"),
        (stream(delta(content=[{"type": "refusal", "refusal": "No."}])), ReplyRefusedError, "No"),
        (whole(content=None, refusal="No."), ReplyRefusedError, "refuses"),
        (stream(HI, finish="insufficient_system_resource"), ModelError, "broke the reply off"),
        (stream(delta(content=[{"type": "image_url"}])), ModelError, "image_url and no text"),
        (Scripted(raw=events({"error": {"message": "engine died"}})), ModelError, "engine died"),
        (Scripted(raw=events({"error": "overloaded", "error_type": "x"})), ModelError, "overloaded"),
        (Scripted(raw=events({"object": "error", "message": "out of memory", "code": 500})),
         ModelError, "HTTP 500: out of memory"),
        (Scripted(raw=events({"choices": [{"error": {"code": 502, "message": "upstream"},
                                           "finish_reason": "error"}]})), ModelError, "502: upstream"),
        (Scripted(raw=b'event: error\ndata: {"message": "no memory"}\n\n'), ModelError, "no memory"),
        (Scripted(raw=b"event: error\ndata: gone\n\n"), ModelError, "gone"),
        (Scripted(raw=b'error: {"code": 500, "message": "slot"}\n\n'), ModelError, "slot"),
        (Scripted(raw=b'[{"error": {"code": 400, "message": "bad field"}}]'), ModelError, "bad field"),
        (Scripted(raw=b'{"detail": "Method Not Allowed"}'), ModelError, "Method Not Allowed"),
    ],
)  # fmt: skip
async def test_what_is_no_reply_is_named(
    server: FakeServer, sent: Scripted, kind: type[ModelError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        await ask(server, sent)


def said(status: int, body: object, **headers: str) -> Scripted:
    return Scripted(status=status, body=body, headers=headers)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (failure(401, "no"), AuthenticationError, "ELAGENT_MODEL_API_KEY"),
        (failure(403, "not in your country"), AuthenticationError, "not in your country"),
        (said(407, {}), AuthenticationError, "HTTPS_PROXY"),
        (failure(402, "Insufficient Balance"), ModelError, "nothing left to pay with"),
        (failure(429, "You exceeded your current quota", code="insufficient_quota"), ModelError,
         "add credit"),
        (failure(404, "The model `m` does not exist", code="model_not_found"), ModelMissingError,
         "does not have the model 'm'"),
        (failure(400, "m is not a valid model ID; invalid model"), ModelMissingError, "'m'"),
        (said(404, {"detail": "Not Found"}), ServerUnreachableError, "usually ends in /v1"),
        (failure(404, "File Not Found", type="not_found_error"), ServerUnreachableError, "/v1"),
        (said(404, "404 page not found"), ServerUnreachableError, "/v1"),
        (said(301, "", location="https://elsewhere.example/v1"), ServerUnreachableError,
         r"sends on to https://elsewhere\.example/v1"),
        (said(405, {"detail": "Method Not Allowed"}), ServerUnreachableError, "HTTP 405"),
        (failure(400, "The plain HTTP request was sent to HTTPS port"), ServerUnreachableError,
         "https://"),
        (failure(413, "Request Entity Too Large"), ModelError, "raise its limit"),
        (failure(413, "maximum context length is 8"), ContextLengthError, "does not fit"),
        (said(422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be "
                             "<= 4096. Given: 5000"}), ContextLengthError, "does not fit"),
        (failure(400, "The input token count (9) exceeds the maximum number of tokens allowed"),
         ContextLengthError, "does not fit"),
        (failure(500, "boom"), ModelError, "HTTP 500: boom"),
        (failure(503, "Loading model"), ServerLoadingError, "still loading its model"),
        (failure(503, "overloaded"), ModelError, "HTTP 503: overloaded"),
        (said(400, [{"error": {"code": 400, "message": "bad field"}}]), ModelError, "bad field"),
        (said(422, {"detail": [{"loc": ["body", "messages"], "msg": "wrong"}]}), ModelError, "wrong"),
    ],
)  # fmt: skip
async def test_each_refusal_says_what_to_do(
    server: FakeServer, answer: Scripted, kind: type[ModelError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        await ask(server, answer)


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "max_tokens"),
        ("Unsupported value: 'temperature' does not support 0.0 with this model", "temperature"),
        ("Extra inputs are not permitted: seed", "seed"),
        ("Unrecognized request argument supplied: stream_options", "stream_options"),
    ],
)
async def test_a_parameter_that_is_not_taken_is_left_out_from_then_on(
    server: FakeServer, words: str, missing: str
) -> None:
    server.script = [failure(400, words), text("hi")]
    endpoint = Endpoint(root=server.url, name="m", context_length=4096)
    async with HttpModel(endpoint, sleep=_at_once) as model:
        for _ in range(2):
            async for _item in model.stream((SYSTEM, HELLO), sampling=Sampling()):
                pass
    first, *later = server.requests
    assert missing in first
    assert len(later) == 2
    assert not any(missing in request for request in later)
    assert all("max_tokens" in r or "max_completion_tokens" in r for r in later)


async def test_a_template_without_a_system_message_gets_it_in_the_request(
    server: FakeServer,
) -> None:
    reply = await ask(server, failure(400, "System role not supported"), text("hi"))
    assert reply.action.text == "hi"
    assert server.requests[1]["messages"] == [{"role": "user", "content": "be brief\n\nsay hello"}]


async def test_a_key_that_cannot_be_sent_is_named() -> None:
    endpoint = Endpoint(root="http://localhost:1", name="m", context_length=99, api_key="a\nb")
    async with HttpModel(endpoint, sleep=_at_once, patience=Patience(attempts=1)) as model:
        with pytest.raises(ServerUnreachableError):
            async for _ in model.stream((HELLO,), sampling=Sampling()):
                pass


@pytest.mark.parametrize(
    ("given", "root", "apis"),
    [
        ("http://h:1/v1", "http://h:1", ("/v1",)),
        ("http://h:1/v1/chat/completions", "http://h:1", ("/v1",)),
        ("http://h:1", "http://h:1", ("/v1", "")),
        ("https://h/v1beta/openai/", "https://h/v1beta/openai", ("/v1", "")),
        ("https://h/api/paas/v4", "https://h/api/paas/v4", ("/v1", "")),
        ("https://h/chat/completions", "https://h", ("",)),
    ],
)
def test_an_address_tells_where_the_api_may_be(
    given: str, root: str, apis: tuple[str, ...]
) -> None:
    assert (address(given).root, address(given).apis) == (root, apis)


async def _chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def _values(data: bytes, size: int) -> list[object]:
    return [value async for value in read_values(_chunks(data, size))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(
    objects=st.lists(st.dictionaries(st.text(max_size=4), JSON, max_size=3), min_size=1, max_size=5),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    before=st.sampled_from(["", ": hold on", "id: 7", "event: message"]),
    gap=st.sampled_from(["", " "]),
    size=st.integers(1, 40),
)  # fmt: skip
def test_values_arrive_whatever_the_framing_and_the_chunks(
    objects: list[dict[str, object]], line_end: str, before: str, gap: str, size: int
) -> None:
    said = [*(json.dumps(item, ensure_ascii=False) for item in objects), DONE]
    body = "".join(f"{before}{line_end}data:{gap}{item}{line_end}{line_end}" for item in said)
    encoded = body.encode("utf-8", "surrogatepass")
    assert asyncio.run(_values(encoded, size)) == [*objects, DONE]


@given(one=st.dictionaries(st.text(max_size=4), JSON, max_size=3), size=st.integers(1, 40))
def test_a_whole_document_arrives_whatever_the_chunks(one: dict[str, object], size: int) -> None:
    assert asyncio.run(_values(json.dumps(one, indent=1).encode(), size)) == [one]


@given(body=st.binary(max_size=200), size=st.integers(1, 20))
def test_no_body_does_more_than_be_refused(body: bytes, size: int) -> None:
    try:
        values = asyncio.run(_values(body, size))
    except NoJsonError:
        return
    assert all(value == DONE or isinstance(value, dict) for value in values)
