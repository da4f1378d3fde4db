"""A reply in OpenAI's form, whole or as a stream of chunks."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, assert_never

from learning.model import wire
from learning.model.engine import EngineError, Token
from learning.model.replies import Dispatched, Finished, LoadedModel, ReplyEvent, TokenMade


class Completion:
    """One reply in OpenAI's form, whole or in chunks."""

    def __init__(self, served: LoadedModel, wanted: wire.ChatRequest) -> None:
        self._served = served
        self._wanted = wanted
        self._head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": wanted.model or served.model.name,
        }

    async def sse(self, events: AsyncGenerator[ReplyEvent]) -> AsyncIterator[bytes]:
        async with aclosing(events):
            try:
                async for event in events:
                    for chunk in self._chunks(event):
                        yield _data(chunk)
            except EngineError as err:
                yield _data(wire.error_body(str(err), kind="engine"))
                return
        yield b"data: [DONE]\n\n"

    async def whole(self, events: AsyncGenerator[ReplyEvent]) -> dict[str, Any]:
        head: dict[str, Any] = {**self._head, "object": "chat.completion"}
        choice: dict[str, Any] = {"index": 0, "finish_reason": "abort"}
        tokens: list[Token] = []
        texts: list[str] = []
        async with aclosing(events):
            async for event in events:
                match event:
                    case Dispatched():
                        head |= self._stamp(event)
                    case TokenMade(token=token, text=text):
                        tokens.append(token)
                        texts.append(text)
                    case Finished(text=text, reason=reason, usage=usage):
                        texts.append(text)
                        choice["finish_reason"] = reason
                        head["usage"] = wire.usage_body(usage)
                    case _:
                        assert_never(event)
        choice["message"] = {"role": "assistant", "content": "".join(texts)}
        choice |= wire.choice_fields(self._wanted, tokens, self._token_text)
        return {**head, "choices": [choice]}

    def _chunks(self, event: ReplyEvent) -> list[dict[str, Any]]:
        match event:
            case Dispatched():
                delta = {"role": "assistant", "content": ""}
                return [{**self._chunk(delta, [], None), **self._stamp(event)}]
            case TokenMade(token=token, text=text):
                return [self._chunk({"content": text}, [token], None)]
            case Finished(text=text, reason=reason, usage=usage):
                end = self._chunk({"content": text} if text else {}, [], reason)
                counts = {**end, "choices": [], "usage": wire.usage_body(usage)}
                return [end, counts]
            case _:
                assert_never(event)

    def _chunk(
        self, delta: dict[str, str], tokens: list[Token], reason: str | None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        choice |= wire.choice_fields(self._wanted, tokens, self._token_text) if tokens else {}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}

    def _stamp(self, event: Dispatched) -> dict[str, Any]:
        stamp: dict[str, Any] = {"adapter": event.adapter}
        if self._wanted.token_ids:
            stamp["prompt_token_ids"] = list(event.prompt_ids)
        return stamp

    def _token_text(self, token_id: int) -> str:
        return self._served.chat.decode([token_id])


def _data(record: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(record, ensure_ascii=False)}\n\n".encode()
