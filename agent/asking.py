"""Asks the model for one reply and shows it while it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.events import ReplyFinished, TextDelta
from agent.model import Model, ModelError, Reply
from agent.streaming import Emit
from learning.records import Message, Sampling


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
