"""Client of any server that speaks the OpenAI-compatible HTTP API.

Text-only servers are enough; a server that also tells token ids and log-probabilities (ours)
yields actions that can be learned from token by token.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Self

from agent.errors import (
    ContextLengthError,
    ModelMissingError,
    ReplyTimeoutError,
    ServerLoadingError,
)
from agent.model.answer import Answer
from agent.model.asking_anew import asked_otherwise
from agent.model.event_stream import DONE, NoJsonError, Value, read_values
from agent.model.failing import (
    NotTakenError,
    TransientError,
    no_json,
    refusal,
    refuse_unusable,
    without_error,
)
from agent.model.http_client import OK, Endpoint, ServerClient
from agent.model.openai_api import VLLM, drawn_plainly, request_body
from agent.model.own_server import OwnServer
from agent.model.protocol import Fill, FillRequest, Reply, Waiting
from agent.model.values import as_number
from agent.model.waiting import Patience, Watch, with_waits
from learning.records import Message, Sampling

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpModel", "Patience"]

_LONGEST_WAIT_S = 30.0
# No tokenizer makes fewer tokens of a text than this, whatever its language.
_MOST_BYTES_PER_TOKEN = 8
_USUAL_BYTES_PER_TOKEN = 3
_TOKENS_PER_MESSAGE = 6


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
        load_again: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`load_again` loads the adapter where the server has lost it, as after a restart."""
        self._patience = patience or Patience()
        self._sleep = sleep
        self._jitter = jitter
        self.server = server or ServerClient(endpoint, connect_s=self._patience.connect_s)
        self.endpoint = endpoint
        self._counts_tokens = True
        self._load_again = load_again
        offered = endpoint.token_ids and endpoint.owner != VLLM
        self._own = OwnServer(self.server, model=endpoint.adapter or endpoint.name, offered=offered)
        self._not_taken: list[str] = []
        """The server's refusals of parameters that it does not take."""

    @property
    def name(self) -> str:
        return self.endpoint.name

    @property
    def adapter(self) -> str | None:
        return self.endpoint.adapter

    @property
    def context_length(self) -> int:
        return self.endpoint.context_length

    def at(
        self, endpoint: Endpoint, *, load_again: Callable[[], Awaitable[None]] | None = None
    ) -> HttpModel:
        """The same connection with more known about the endpoint, e.g. another adapter."""
        return HttpModel(
            endpoint,
            patience=self._patience,
            sleep=self._sleep,
            jitter=self._jitter,
            server=self.server.at(endpoint),
            load_again=load_again,
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
        self, messages: Sequence[Message], *, sampling: Sampling, begun: str = ""
    ) -> AsyncGenerator[str | Reply | Waiting, None]:
        """See `Model.stream`, with `begun` as in `Continuer.stream`.

        Asks again after 429, 5xx and lost connections, but never once something was received.
        """
        self._refuse_hopeless(messages)
        served = self.adapter or self.name
        ids = self.endpoint.token_ids
        body = request_body(messages, sampling, model=served, token_ids=ids, begun=begun)
        body = drawn_plainly(body) if ids and self.endpoint.owner == VLLM else body
        started = time.perf_counter()
        attempt = 1
        while True:
            answer = Answer(
                model=self.name,
                adapter=self.adapter,
                sampling=sampling,
                stop_ids=self.endpoint.stop_ids,
            )
            try:
                async with aclosing(self._watched(self._body(body), answer)) as pieces:
                    async for piece in pieces:
                        yield piece
            except NotTakenError as err:
                self._not_taken.append(str(err))
            except TransientError as err:
                waited_s = time.perf_counter() - started
                loading = isinstance(err.error, ServerLoadingError)
                patient = loading and waited_s < self._patience.loading_s
                if answer.began or (attempt == self._patience.attempts and not patient):
                    raise err.error from err
                wait_s = self._wait_s(attempt, err.wait_s)
                yield Waiting(reason=f"{err}; asking again", elapsed_s=waited_s)
                await self._sleep(wait_s)
                attempt = min(attempt + 1, self._patience.attempts)
            else:
                yield _reply(answer, time.perf_counter() - started)
                return

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """See `Model.count_tokens`."""
        said = [{"role": item.role, "content": item.content} for item in messages]
        if self._counts_tokens:
            body = {"model": self.name, "messages": said}
            try:
                status, data, _ = await self.server.call(
                    "POST", "/tokenize", body, timeout_s=self._patience.count_s
                )
            except ReplyTimeoutError:
                return _estimated(messages)  # it is busy, and can count another time
            if status == OK and as_number(data.get("count")):
                return as_number(data["count"])
            self._counts_tokens = False
        return _estimated(messages)

    async def fill(self, request: FillRequest, *, timeout_s: float = 60.0) -> Sequence[Fill]:
        """See `GapFiller.fill`; only our own server has a place for it."""
        return await self._own.fill(asdict(request), timeout_s=timeout_s)

    @property
    def continues(self) -> bool:
        """See `Continuer.continues`."""
        return self._own.continues

    async def choose(
        self,
        messages: Sequence[Message],
        begun: str,
        choices: Sequence[str],
        *,
        timeout_s: float = 60.0,
    ) -> str:
        """See `Continuer.choose`."""
        said = [{"role": item.role, "content": item.content} for item in messages]
        body: dict[str, object] = {"messages": said, "begun": begun, "choices": list(choices)}
        return await self._own.choose(body, timeout_s=timeout_s)

    def _watched(
        self, body: Mapping[str, object], answer: Answer
    ) -> AsyncGenerator[str | Waiting, None]:
        """Make one attempt, with a word whenever nothing came for a while."""
        watch = Watch(endpoint=self.endpoint, answer=answer, patience=self._patience)
        return with_waits(self._ask(body, answer), watch)

    async def _ask(self, body: Mapping[str, object], answer: Answer) -> AsyncGenerator[str, None]:
        """Make one attempt. Leaving it closes the connection, which ends the generation."""
        import httpx

        place = f"{self.endpoint.api}/chat/completions"
        request = self.server.http.build_request("POST", place, json=body)
        try:
            async with asyncio.timeout(self._patience.first_token_s):
                response = await self.server.http.send(request, stream=True)
            try:
                if response.status_code != OK:
                    raise await self._refusal(response, body)
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
        except httpx.RequestError as err:
            raise TransientError(self.server.unreachable(err)) from err

    async def _refusal(self, response: httpx.Response, body: Mapping[str, object]) -> Exception:
        """The error of a refused attempt; an adapter that the server has lost is loaded again first."""
        error = await refusal(self.server, response, body)
        if not isinstance(error, ModelMissingError) or self._load_again is None:
            return error
        await self._load_again()
        return TransientError(error)

    async def _pieces(self, response: httpx.Response, answer: Answer) -> AsyncGenerator[str, None]:
        first: Value | None = None
        try:
            async with aclosing(read_values(response.aiter_bytes())) as values:
                while True:
                    async with asyncio.timeout(self._limit_s(answer)):
                        value = await anext(values, None)
                    first = first or value
                    if value is None:
                        break
                    if value == DONE:
                        answer.whole = True
                        break
                    if text := answer.add(without_error(self.server, value)):
                        yield text
        except NoJsonError as err:
            raise no_json(self.server, err.text) from err
        refuse_unusable(self.server, answer, first)
        if text := answer.end():
            yield text

    def _body(self, body: dict[str, object]) -> dict[str, object]:
        """The request in the words that this server takes, as far as it has said so."""
        for reason in self._not_taken:
            body = asked_otherwise(body, reason) or body
        return body

    def _refuse_hopeless(self, messages: Sequence[Message]) -> None:
        """Catch a prompt that the server cut without a word, where that is clear."""
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
        thought=answer.thought,
    )


def _estimated(messages: Sequence[Message]) -> int:
    return _size_bytes(messages) // _USUAL_BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE * len(messages)


def _size_bytes(messages: Sequence[Message]) -> int:
    return sum(len(item.content.encode("utf-8", "surrogatepass")) for item in messages)
