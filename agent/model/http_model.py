"""Client of any server that speaks the OpenAI-compatible HTTP API.

Text-only servers are enough; a server that also tells token ids and log-probabilities (ours)
yields actions that can be learned from token by token.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from agent.errors import (
    ContextLengthError,
    ModelError,
    ModelMissingError,
    ReplyTimeoutError,
    ServerUnreachableError,
)
from agent.model.http_client import OK, Endpoint, ServerClient
from agent.model.openai_api import Answer, as_mapping, as_number, event_data, harmless, request_body
from agent.model.protocol import Reply
from learning.records import Message, Sampling

if TYPE_CHECKING:
    import httpx

_FAILED_INSIDE = 500
_WORTH_RETRYING = frozenset({408, 429, 500, 502, 503, 504, 529})
_LONGEST_WAIT_S = 30.0
# No tokenizer makes fewer tokens of a text than this, whatever its language.
_MOST_BYTES_PER_TOKEN = 8
_USUAL_BYTES_PER_TOKEN = 3
_TOKENS_PER_MESSAGE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, and how often to ask again before the first token."""

    connect_s: float = 5.0
    first_token_s: float = 900.0
    """Reading a long prompt takes minutes without a GPU."""
    next_token_s: float = 120.0
    attempts: int = 4
    backoff_s: float = 0.5


class _TransientError(Exception):
    """A failure that asking again may cure."""

    def __init__(self, error: ModelError, *, wait_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait_s = wait_s


class HttpModel:
    """A model behind HTTP. Use it as an async context manager, or call `close`."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        patience: Patience | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        server: ServerClient | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._sleep = sleep
        self._jitter = jitter
        self.server = server or ServerClient(endpoint, connect_s=self._patience.connect_s)
        self.endpoint = endpoint
        self._counts_tokens = True

    @property
    def name(self) -> str:
        return self.endpoint.name

    @property
    def adapter(self) -> str | None:
        return self.endpoint.adapter

    @property
    def context_length(self) -> int:
        return self.endpoint.context_length

    def at(self, endpoint: Endpoint) -> HttpModel:
        """The same connection with more known about the endpoint, e.g. another adapter."""
        return HttpModel(
            endpoint,
            patience=self._patience,
            sleep=self._sleep,
            jitter=self._jitter,
            server=self.server.at(endpoint),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.server.close()

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling
    ) -> AsyncGenerator[str | Reply, None]:
        """See `Model.stream`.

        Asks again after 429, 5xx and lost connections, but never once something was received.
        """
        self._refuse_hopeless(messages)
        served = self.adapter or self.name
        body = request_body(messages, sampling, model=served, token_ids=self.endpoint.token_ids)
        started = time.perf_counter()
        for attempt in itertools.count(1):
            answer = Answer(model=self.name, adapter=self.adapter, sampling=sampling)
            try:
                async with aclosing(self._ask(body, answer)) as pieces:
                    async for piece in pieces:
                        yield piece
            except _TransientError as err:
                if answer.began or attempt == self._patience.attempts:
                    raise err.error from err
                await self._sleep(self._wait_s(attempt, err.wait_s))
            else:
                yield _reply(answer, time.perf_counter() - started)
                return

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """See `Model.count_tokens`."""
        said = [{"role": item.role, "content": item.content} for item in messages]
        if self._counts_tokens:
            body = {"model": self.name, "messages": said}
            status, data, _ = await self.server.call("POST", "/tokenize", body)
            if status == OK and as_number(data.get("count")):
                return as_number(data["count"])
            self._counts_tokens = False
        return _size_bytes(messages) // _USUAL_BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE * len(said)

    async def _ask(self, body: Mapping[str, object], answer: Answer) -> AsyncGenerator[str, None]:
        """One attempt. Leaving it in any way closes the connection, which ends the generation."""
        import httpx

        request = self.server.http.build_request("POST", "/v1/chat/completions", json=body)
        try:
            async with asyncio.timeout(self._patience.first_token_s):
                response = await self.server.http.send(request, stream=True)
            try:
                if response.status_code != OK:
                    raise await self._refusal(response)
                async with aclosing(self._pieces(response, answer)) as pieces:
                    async for piece in pieces:
                        yield piece
            finally:
                await response.aclose()
        except TimeoutError as err:
            raise ReplyTimeoutError(
                f"the model at {self.endpoint.root} sent nothing for "
                f"{self._limit_s(answer):.0f} s; it may be overloaded, try again"
            ) from err
        except httpx.TransportError as err:
            raise _TransientError(self.server.unreachable(err)) from err

    async def _pieces(self, response: httpx.Response, answer: Answer) -> AsyncGenerator[str, None]:
        if "json" in response.headers.get("content-type", ""):
            # The server does not stream; it sent the whole completion.
            text = answer.add(self._decoded(await response.aread()))
            yield text
            return
        async with aclosing(event_data(response.aiter_bytes())) as events:
            while True:
                async with asyncio.timeout(self._limit_s(answer)):
                    data = await anext(events, None)
                if data is None or data == "[DONE]":
                    break
                text = answer.add(self._decoded(data.encode()))
                if text:
                    yield text
        if answer.finish is None:
            lost = ServerUnreachableError(
                f"the server at {self.endpoint.root} ended in the middle of a reply; "
                f"{self.endpoint.when_lost}"
            )
            raise _TransientError(lost)

    def _decoded(self, data: bytes) -> Mapping[str, object]:
        try:
            chunk = as_mapping(json.loads(data))
        except ValueError as err:
            message = f"the server at {self.endpoint.root} sent no JSON: {harmless(str(err))}"
            raise ModelError(message) from err
        if chunk.get("error"):
            raise self.server.error(_FAILED_INSIDE, data)
        return chunk

    async def _refusal(self, response: httpx.Response) -> Exception:
        body = await response.aread()
        error = self.server.error(response.status_code, body)
        if isinstance(error, ModelMissingError):
            names = ", ".join(item.id for item in await self.server.served())
            return ModelMissingError(f"{error}; it has: {names or 'none'}. Set model.name to one")
        # A prompt that is too long stays too long, whatever the status is.
        if response.status_code in _WORTH_RETRYING and not isinstance(error, ContextLengthError):
            return _TransientError(error, wait_s=_seconds(response.headers.get("retry-after", "")))
        return error

    def _refuse_hopeless(self, messages: Sequence[Message]) -> None:
        """Some servers cut a prompt that is too long without a word; this catches the clear case."""
        tokens = _size_bytes(messages) // _MOST_BYTES_PER_TOKEN
        if tokens > self.context_length:
            raise ContextLengthError(
                f"the prompt of at least {tokens} tokens does not fit into a context of "
                f"{self.context_length} tokens; {self.endpoint.remedy}",
                prompt_tokens=tokens,
                context_length=self.context_length,
            )

    def _limit_s(self, answer: Answer) -> float:
        return self._patience.next_token_s if answer.began else self._patience.first_token_s

    def _wait_s(self, attempt: int, asked_s: float) -> float:
        backoff_s = self._patience.backoff_s * 2.0 ** (attempt - 1) * (0.5 + self._jitter())
        return min(_LONGEST_WAIT_S, max(asked_s, backoff_s))


def _reply(answer: Answer, duration_s: float) -> Reply:
    return Reply(
        action=answer.action(),
        prompt_tokens=answer.prompt_tokens,
        cached_tokens=answer.cached_tokens,
        completion_tokens=answer.completion_tokens,
        duration_s=duration_s,
    )


def _size_bytes(messages: Sequence[Message]) -> int:
    return sum(len(item.content.encode("utf-8", "surrogatepass")) for item in messages)


def _seconds(text: str) -> float:
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0
