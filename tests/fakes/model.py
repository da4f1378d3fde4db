"""A model that says what a test wants it to say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from agent.model.protocol import Reply
from learning.records import Action, Message, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """One reply to be given."""

    text: str
    finish: Literal["stop", "length", "cancelled"] = "stop"
    thought: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that was made."""

    messages: tuple[Message, ...]
    sampling: Sampling


@dataclass(kw_only=True)
class ScriptedModel:
    """Gives its replies in order, a word at a time; an exception in the script is raised.

    `None` in the script stands for a model that never answers.
    """

    script: list[str | Scripted | Exception | None]
    name: str = "scripted"
    adapter: str | None = None
    context_length: int = 32_768
    requests: list[Request] = field(default_factory=list)

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling
    ) -> AsyncIterator[str | Reply]:
        self.requests.append(Request(messages=tuple(messages), sampling=sampling))
        item = self.script.pop(0)
        if isinstance(item, Exception):
            raise item
        if item is None:
            yield "Well"
            await asyncio.Event().wait()
            return
        scripted = Scripted(text=item) if isinstance(item, str) else item
        for word in re.findall(r"\S*\s*", scripted.text):
            yield word
            await asyncio.sleep(0)
        yield Reply(
            action=Action(
                text=scripted.text,
                model=self.name,
                adapter=self.adapter,
                sampling=sampling,
                finish=scripted.finish,
            ),
            prompt_tokens=await self.count_tokens(messages),
            completion_tokens=len(scripted.text) // 4,
            duration_s=scripted.duration_s,
            thought=scripted.thought,
        )

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) // 4 + 4 for message in messages)
