"""Asks the model for one reply and shows it while it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from agent.events import Progress, ReplyFinished, TextDelta
from agent.model.protocol import Model, ModelError, Reply
from agent.streaming import Emit
from learning.records import Message, Sampling


class ReplyProgress:
    """How far a reply of about known length is, with the time that it will still take."""

    def __init__(
        self,
        emit: Emit,
        *,
        expected_characters: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._emit = emit
        self._expected = expected_characters
        self._clock = clock
        self._characters = 0
        self._started = 0.0

    def add(self, text: str) -> None:
        """A piece of the reply has come."""
        if not self._characters:
            self._started = self._clock()
        self._characters += len(text)
        rate = self._characters / max(self._clock() - self._started, 1e-3)
        left = max(0, self._expected - self._characters)
        total = max(self._expected, self._characters)
        self._emit(Progress(self._characters, total, "characters", left / rate))


async def ask(
    model: Model,
    messages: Sequence[Message],
    *,
    sampling: Sampling,
    emit: Emit,
    on_text: Callable[[str], object] = lambda _: None,
) -> Reply:
    """One whole reply.

    Raises:
        ModelError: If there is no answer.
    """
    reply: Reply | None = None
    async for item in model.stream(messages, sampling=sampling):
        if isinstance(item, Reply):
            reply = item
        else:
            on_text(item)
            emit(TextDelta(item))
    if reply is None:
        raise ModelError(f"{model.name} ended its answer without saying so; ask again")
    action = reply.action
    emit(
        ReplyFinished(
            text=action.text,
            model=action.model,
            adapter=action.adapter,
            prompt_tokens=reply.prompt_tokens,
            cached_tokens=reply.cached_tokens,
            completion_tokens=reply.completion_tokens,
            context_length=model.context_length,
            duration_s=reply.duration_s,
        )
    )
    return reply
