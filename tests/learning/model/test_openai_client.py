"""`elagent serve` as the official OpenAI client meets it; its own types judge each answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionUserMessageParam

from learning.model.catalog import InstalledModel
from tests.fakes.tiny_llama import build_tiny_model
from tests.learning.model.test_server import Running, running

HELLO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "hi"}]
SAID = "hé!\N{REPLACEMENT CHARACTER}"


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> InstalledModel:
    return build_tiny_model(tmp_path_factory.mktemp("small-model"))


@pytest.fixture
async def serving(small_model: InstalledModel, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(small_model, tmp_path, idle_s=600) as found:
        yield found


def client_of(serving: Running, *, key: str = "a-token") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=f"{serving.client.base_url}/v1",
        api_key=key,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False, timeout=20),
    )


@pytest.fixture
async def client(serving: Running) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_of(serving) as found:
        yield found


async def test_a_reply_has_the_form_of_a_chat_completion(
    client: openai.AsyncOpenAI, serving: Running
) -> None:
    reply = await client.chat.completions.create(
        model=serving.model.name, messages=HELLO, max_tokens=50, temperature=0.5, seed=1
    )
    reply = ChatCompletion.model_validate(reply.model_dump(warnings=False))
    assert reply.choices[0].message.content == SAID
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


async def test_a_stream_has_the_form_of_chunks_and_ends_with_the_usage(
    client: openai.AsyncOpenAI, serving: Running
) -> None:
    stream = await client.chat.completions.create(
        model=serving.model.name,
        messages=HELLO,
        max_completion_tokens=50,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [
        ChatCompletionChunk.model_validate(chunk.model_dump(warnings=False))
        async for chunk in stream
    ]
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == SAID
    assert choices[-1].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].usage is not None


async def test_the_clients_own_helper_puts_a_stream_together(
    client: openai.AsyncOpenAI, serving: Running
) -> None:
    async with client.chat.completions.stream(
        model=serving.model.name, messages=HELLO, max_tokens=50
    ) as stream:
        whole = await stream.get_final_completion()
    assert whole.choices[0].message.content == SAID


async def test_models_and_adapters_are_listed(client: openai.AsyncOpenAI, serving: Running) -> None:
    listed = [
        Model.model_validate(item.model_dump(warnings=False)) async for item in client.models.list()
    ]
    assert [item.id for item in listed] == [serving.model.name]


async def test_errors_are_those_that_the_client_knows(
    client: openai.AsyncOpenAI, serving: Running
) -> None:
    ask = client.chat.completions.create
    with pytest.raises(openai.NotFoundError) as unknown:
        await ask(model="no-such-model", messages=HELLO)
    assert (unknown.value.code, unknown.value.type) == ("model_not_found", "invalid_request_error")
    with pytest.raises(openai.BadRequestError) as long:
        await ask(model=serving.model.name, messages=[{"role": "user", "content": "x" * 5000}])
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as bad:
        await ask(model=serving.model.name, messages=HELLO, temperature=-3)
    assert "temperature" in bad.value.message
    async with client_of(serving, key="another") as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.chat.completions.create(model=serving.model.name, messages=HELLO)


async def test_an_engine_that_dies_in_a_stream_is_an_error_of_the_client(
    client: openai.AsyncOpenAI, serving: Running
) -> None:
    serving.engine.fails_after = 1
    stream = await client.chat.completions.create(
        model=serving.model.name, messages=HELLO, stream=True
    )
    with pytest.raises(openai.APIError, match="the engine died"):
        async for _ in stream:
            pass
