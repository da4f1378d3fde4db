"""The routes of the model server. One engine works in its own thread; a disconnect cancels the work."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from learning.model import wire
from learning.model.choosing import Choice, ChoiceRequest, choose
from learning.model.completion import Completion
from learning.model.engine import EngineError, LocalModelError, PromptTooLongError
from learning.model.engine_thread import EngineThread
from learning.model.infill import CannotFillError, GapFill, InfillRequest, fill
from learning.model.replies import LoadedModel, ReplyEvent, UnknownModelError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

_Item = TypeVar("_Item")
_MAX_BODY_BYTES = 32 * 1024**2
_BODY_S = 30.0
"""Longest time for the body of a request to arrive."""
_HEARTBEAT_S = 5.0


class Api:
    """Handlers over one served model."""

    def __init__(
        self, served: LoadedModel, thread: EngineThread, *, finish: Callable[[], None]
    ) -> None:
        """`finish` ends the server, for an engine that cannot be started again."""
        self._served = served
        self._thread = thread
        self._finish = finish
        self._since = int(time.time())
        self._one_adapter_at_a_time = asyncio.Lock()

    def routes(self) -> list[Route]:
        from starlette.routing import Route

        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/lease", self.lease, methods=["GET"]),
            Route("/v1/stop", self.stop, methods=["POST"]),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/infill", self.infill, methods=["POST"]),
            Route("/v1/choose", self.choose, methods=["POST"]),
            Route("/v1/load_lora_adapter", self.load_adapter, methods=["POST"]),
            Route("/tokenize", self.tokenize, methods=["POST"]),
        ]

    async def health(self, _request: Request) -> Response:
        """Report that the engine is alive; a dead engine is restarted first."""
        from starlette.responses import JSONResponse

        try:
            await self._engine_lives()
        except EngineError as err:
            return JSONResponse({"status": "engine lost", "reason": str(err)}, status_code=503)
        return JSONResponse({"status": "ok"})

    async def _engine_lives(self) -> None:
        """Restart the engine if it has died; if that fails, end the server, so that the next client starts one.

        Raises:
            EngineError: If the engine died and cannot be restarted.
        """
        engine = self._served.engine
        if engine.alive:
            return
        try:
            await self._thread.call(engine.revive)
        except EngineError:
            self._finish()
            raise

    async def stop(self, _request: Request) -> Response:
        from starlette.responses import JSONResponse

        self._finish()
        return JSONResponse({"status": "ending"})

    async def models(self, _request: Request) -> Response:
        from starlette.responses import JSONResponse

        served = self._served
        body = wire.models_body(
            served.model.name,
            served.adapters,
            engine=served.kind,
            context=served.engine.context_length,
            can=served.engine.capabilities,
            created=self._since,
        )
        return JSONResponse(body)

    async def lease(self, request: Request) -> Response:
        """Stays open as long as the client; meanwhile `IdleWatch` keeps the server from ending."""
        from starlette.responses import StreamingResponse

        async def beats() -> AsyncIterator[bytes]:
            yield b": leased\n\n"
            gone = asyncio.create_task(_disconnected(request))
            try:
                while not (await asyncio.wait([gone], timeout=_HEARTBEAT_S))[0]:
                    yield b": still here\n\n"
            finally:
                gone.cancel()

        return StreamingResponse(beats(), media_type="text/event-stream")

    async def tokenize(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        try:
            ids = self._served.chat.encode(wire.messages(await _json(request)))
        except LocalModelError as err:
            return _failure(err)
        context = self._served.engine.context_length
        return JSONResponse({"count": len(ids), "tokens": ids, "max_model_len": context})

    async def load_adapter(self, request: Request) -> Response:
        from starlette.responses import PlainTextResponse

        try:
            wanted = wire.adapter_request(await _json(request))
            async with self._one_adapter_at_a_time:
                use = await asyncio.to_thread(
                    self._served.prepare_adapter,
                    wanted.name,
                    Path(wanted.path),
                    force=wanted.force,
                )
                await self._thread.call(use)
        except LocalModelError as err:
            return _failure(err, status=400)
        return PlainTextResponse(f"Success: LoRA adapter {wanted.name!r} added.")

    async def infill(self, request: Request) -> Response:
        """Fill a gap in a file, as often as is asked for."""
        from starlette.responses import JSONResponse

        try:
            wanted = wire.infill_request(await _json(request))
            await self._engine_lives()
            async with aclosing(self._fills(request, wanted)) as fills:
                return JSONResponse({"fills": [asdict(item) async for item in fills]})
        except LocalModelError as err:
            return _failure(err)

    async def choose(self, request: Request) -> Response:
        """Choose how an answer goes on."""
        from starlette.responses import JSONResponse

        try:
            wanted = wire.choice_request(await _json(request))
            await self._engine_lives()
            async with aclosing(self._choices(request, wanted)) as choices:
                return JSONResponse({"choices": [asdict(item) async for item in choices]})
        except LocalModelError as err:
            return _failure(err)

    def _fills(self, request: Request, wanted: InfillRequest) -> AsyncGenerator[GapFill]:
        return self._worked(
            request, lambda cancelled: fill(self._served, wanted, cancelled=cancelled)
        )

    def _choices(self, request: Request, wanted: ChoiceRequest) -> AsyncGenerator[Choice]:
        return self._worked(
            request, lambda cancelled: choose(self._served, wanted, cancelled=cancelled)
        )

    async def _worked(
        self, request: Request, work: Callable[[Callable[[], bool]], Iterator[_Item]]
    ) -> AsyncGenerator[_Item]:
        """Yield the products of the engine's thread until the client goes away."""
        gone = asyncio.create_task(_disconnected(request))
        try:
            async with aclosing(self._thread.stream(work, until=gone)) as made:
                async for item in made:
                    yield item
        finally:
            gone.cancel()

    async def chat(self, request: Request) -> Response:
        from starlette.responses import JSONResponse, StreamingResponse

        prompt_ids: list[int] = []
        try:
            wanted = wire.chat_request(await _json(request))
            self._served.adapter_of(wanted.model)
            prompt_ids = self._served.chat.continued(wanted.messages, wanted.begun)
            self._check_length(prompt_ids)
            await self._engine_lives()
            completion = Completion(self._served, wanted)
            events = self._events(request, wanted, prompt_ids)
            if wanted.stream:
                return StreamingResponse(completion.sse(events), media_type="text/event-stream")
            return JSONResponse(await completion.whole(events))
        except PromptTooLongError as err:
            context = self._served.engine.context_length
            return _failure(err, prompt_tokens=len(prompt_ids), context_length=context)
        except LocalModelError as err:
            return _failure(err)

    def _check_length(self, prompt_ids: list[int]) -> None:
        limit = self._served.engine.context_length
        if len(prompt_ids) >= limit:
            raise PromptTooLongError(
                f"The prompt has {len(prompt_ids)} tokens, but the context is {limit} tokens "
                "including the reply; shorten it or serve with a longer context."
            )

    def _events(
        self, request: Request, wanted: wire.ChatRequest, prompt_ids: list[int]
    ) -> AsyncGenerator[ReplyEvent]:
        return self._worked(
            request,
            lambda cancelled: self._served.reply(
                prompt_ids, model=wanted.model, sampling=wanted.sampling, cancelled=cancelled
            ),
        )


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _json(request: Request) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_BODY_S):
            body = await _body(request)
    except TimeoutError as err:
        raise wire.RequestError(f"The request did not end within {_BODY_S:.0f} s.") from err
    try:
        value = json.loads(body, parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as err:
        raise wire.RequestError("The request is nested too deeply.") from err
    except UnicodeEncodeError as err:
        raise wire.RequestError("The request has half of a surrogate pair in its text.") from err
    except ValueError as err:
        raise wire.RequestError("The request is not JSON.") from err
    if not isinstance(value, dict):
        raise wire.RequestError("The request must be a JSON object.")
    return value


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise wire.RequestError("The request is larger than 32 MiB.")
    return bytes(body)


def _no_number(name: str) -> object:
    raise wire.RequestError(f"{name} is no number of JSON.")


def _failure(err: LocalModelError, *, status: int | None = None, **more: int) -> Response:
    from starlette.responses import JSONResponse

    match err:
        case PromptTooLongError():
            found, kind, code = 400, "invalid_request_error", "context_length_exceeded"
        case UnknownModelError():
            found, kind, code = 404, "invalid_request_error", "model_not_found"
        case CannotFillError():
            found, kind, code = 501, "engine", "cannot_fill"
        case EngineError():
            found, kind, code = 500, "engine", "engine_failed"
        case _:
            found, kind, code = 400, "invalid_request_error", "invalid_request"
    body = wire.error_body(str(err), kind=kind, code=code, **more)
    return JSONResponse(body, status_code=status or found)
