"""Ollama, llama-server, vLLM and LM Studio, each with its own words for what goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.errors import (
    AuthenticationError,
    ContextLengthError,
    ModelError,
    ModelMissingError,
    ServerUnreachableError,
)
from agent.model.http_model import HttpModel
from agent.model.protocol import Reply, Waiting
from agent.model.serving import connect
from agent.model.waiting import Patience
from agent.paths import Paths
from agent.settings.schema import ModelSettings
from learning.records import Message, Sampling
from tests.fakes.openai_server import FakeServer, Scripted, serve, text

QUESTION = (Message(role="user", content="Hi"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What one kind of server says."""

    entry: dict[str, object]
    missing: Scripted
    too_long: Scripted
    remedy: str
    busy: Scripted
    extra: dict[str, object] = field(default_factory=dict)
    elsewhere: object = None
    """The body with status 200 of a path that there is not; None where it is a plain 404."""


def said(status: int, body: object) -> Scripted:
    return Scripted(status=status, body=body)


OLLAMA = Kind(
    entry={"id": "m", "object": "model", "owned_by": "library"},
    extra={"/api/ps": {"models": [{"name": "m", "context_length": 4096}]}},
    missing=said(
        404,
        {
            "error": {
                "message": 'model "m" not found, try pulling it first',
                "type": "not_found_error",
                "param": None,
                "code": None,
            }
        },
    ),
    too_long=said(
        400, {"error": {"message": "the input length exceeds the context length", "code": None}}
    ),
    remedy="start Ollama with a larger OLLAMA_CONTEXT_LENGTH",
    busy=said(503, {"error": {"message": "server busy, please try again.", "type": "api_error"}}),
)
LLAMA_SERVER = Kind(
    entry={"id": "m", "object": "model", "owned_by": "llamacpp", "meta": {"n_ctx_train": 32768}},
    extra={"/props": {"default_generation_settings": {"n_ctx": 4096}}},
    missing=said(
        400,
        {"error": {"code": 400, "message": "model 'm' not found", "type": "invalid_request_error"}},
    ),
    too_long=said(
        400,
        {
            "error": {
                "code": 400,
                "message": "request (9000 tokens) exceeds the available context size (4096 tokens)",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 9000,
                "n_ctx": 4096,
            }
        },
    ),
    remedy="start llama-server with a larger -c",
    busy=said(
        503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
    ),
)
VLLM = Kind(
    entry={"id": "m", "object": "model", "owned_by": "vllm", "max_model_len": 4096},
    missing=said(
        404,
        {
            "object": "error",
            "message": "The model `m` does not exist.",
            "type": "NotFoundError",
            "param": None,
            "code": 404,
        },
    ),
    too_long=said(
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested "
            "9000 tokens (8000 in the messages, 1000 in the completion).",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
    ),
    remedy="start vLLM with a larger --max-model-len",
    busy=said(500, {"object": "error", "message": "EngineCore is busy", "type": "Internal"}),
)
LM_STUDIO = Kind(
    entry={"id": "m", "object": "model", "owned_by": "organization_owner"},
    extra={"/api/v0/models/m": {"id": "m", "loaded_context_length": 4096}},
    missing=said(
        400,
        {"error": "No models loaded. Please load a model in the developer page or use lms load"},
    ),
    too_long=said(
        400,
        {
            "error": "Trying to keep the first 9000 tokens when context the overflows. However, the "
            "model is loaded with context length of only 4096 tokens, which is not enough."
        },
    ),
    remedy="load the model in LM Studio with a larger context length",
    busy=said(429, {"error": "Too many requests"}),
    elsewhere={"error": "Unexpected endpoint or method. (POST /wrong/v1/chat/completions)"},
)
KINDS = {"ollama": OLLAMA, "llama-server": LLAMA_SERVER, "vllm": VLLM, "lm-studio": LM_STUDIO}

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@dataclass
class Talk:
    """A server of one kind, and what is asked of it."""

    kind: Kind
    home: Path
    script: list[Scripted]
    url_path: str = "/v1"
    notices: list[str] = field(default_factory=list)
    requests: list[dict[str, object]] = field(default_factory=list)

    async def ask(self) -> tuple[list[str], Reply, HttpModel]:
        server = FakeServer(
            script=self.script,
            models=[self.kind.entry],
            extra=dict(self.kind.extra),
            unknown_path=self.kind.elsewhere,
        )
        self.requests = server.requests
        with serve(server):
            async with connect(
                "m",
                paths=Paths(self.home),
                settings=ModelSettings(base_url=server.url + self.url_path),
                launcher=[],
                environ={},
                on_notice=self.notices.append,
            ) as found:
                model = HttpModel(
                    found.endpoint, patience=Patience(backoff_s=0.0, attempts=3, loading_s=0.0)
                )
                async with model:
                    return await asked(model)


async def asked(model: HttpModel) -> tuple[list[str], Reply, HttpModel]:
    stream = model.stream(QUESTION, sampling=Sampling())
    items = [item async for item in stream if not isinstance(item, Waiting)]
    *pieces, reply = items
    assert isinstance(reply, Reply)
    return [piece for piece in pieces if isinstance(piece, str)], reply, model


Begin = Callable[..., Talk]


@pytest.fixture
def talk(tmp_path: Path) -> Begin:
    def begin(kind: Kind, *script: Scripted, url_path: str = "/v1") -> Talk:
        return Talk(kind, tmp_path, list(script), url_path)

    return begin


async def raised_by(work: Awaitable[object]) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await work
    return caught.value


@every_kind
async def test_text_is_streamed_without_key_log_probabilities_or_token_ids(
    kind: Kind, talk: Begin
) -> None:
    conversation = talk(kind, text("Hel", "lo"))
    pieces, reply, model = await conversation.ask()
    assert "".join(pieces) == reply.action.text == "Hello"
    assert (reply.action.token_ids, reply.action.logprobs) == ((), None)
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, 2), "told at the very end"
    assert model.context_length == 4096
    assert conversation.notices == []
    (request,) = conversation.requests
    assert not {"logprobs", "return_token_ids"} & set(request), "strict servers refuse these"


@every_kind
async def test_a_busy_server_is_asked_again(kind: Kind, talk: Begin) -> None:
    conversation = talk(kind, kind.busy, Scripted(drop=True), text("Hello"))
    _, reply, _ = await conversation.ask()
    assert reply.action.text == "Hello"


@every_kind
async def test_a_server_that_stays_busy_is_quoted(kind: Kind, talk: Begin) -> None:
    error = await raised_by(talk(kind, kind.busy).ask())
    assert f"HTTP {kind.busy.status}" in str(error)


@every_kind
async def test_a_model_that_went_away_is_named_with_what_there_is(kind: Kind, talk: Begin) -> None:
    conversation = talk(kind, kind.missing)
    error = await raised_by(conversation.ask())
    assert isinstance(error, ModelMissingError)
    assert "does not have the model 'm'; it has: m" in str(error)
    assert len(conversation.requests) == 1


@every_kind
async def test_a_context_that_is_too_small_names_the_setting_of_that_server(
    kind: Kind, talk: Begin
) -> None:
    conversation = talk(kind, kind.too_long)
    error = await raised_by(conversation.ask())
    assert isinstance(error, ContextLengthError)
    assert error.context_length == 4096
    assert str(error).endswith(kind.remedy)
    assert len(conversation.requests) == 1, "it would not fit the second time either"


@every_kind
async def test_a_wrong_path_says_that_no_api_is_there(kind: Kind, talk: Begin) -> None:
    error = await raised_by(talk(kind, text("Hello"), url_path="/wrong/v1").ask())
    assert isinstance(error, ServerUnreachableError)
    assert "no OpenAI-compatible API" in str(error)
    assert "check model.base_url" in str(error)


async def test_a_server_that_wants_a_key_says_which_setting_is_missing(tmp_path: Path) -> None:
    with serve(FakeServer(models=[VLLM.entry], api_key="right")) as server:
        settings = ModelSettings(base_url=server.url)
        with pytest.raises(AuthenticationError, match="ELAGENT_MODEL_API_KEY"):
            async with connect(
                "m", paths=Paths(tmp_path), settings=settings, launcher=[], environ={}
            ):
                pass


@pytest.mark.parametrize(("api", "given"), [("/v1", ""), ("/v1beta/openai", "/v1beta/openai/")])
async def test_an_api_is_found_whether_or_not_it_is_under_v1(
    tmp_path: Path, api: str, given: str
) -> None:
    entry: dict[str, object] = {"id": "models/m", "context_length": "4096"}
    with serve(FakeServer(models=[entry], api=api, script=[text("Hello")])) as server:
        settings = ModelSettings(base_url=server.url + given)
        async with connect(
            "m", paths=Paths(tmp_path), settings=settings, launcher=[], environ={}
        ) as model:
            _, reply, _ = await asked(model)
    assert reply.action.text == "Hello"
    assert (model.name, model.context_length) == ("models/m", 4096)
