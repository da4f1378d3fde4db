"""Asks the model for one reply and shows it while it comes."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import cast

from agent.events import Notice, Progress, ReplyFinished, StageStarted, TextDelta
from agent.model.protocol import Model, ModelError, Reply, Waiting
from agent.reply.reasoning import part_reply
from agent.streaming import Emit
from agent.turn.repeating import end_of_first_round, usable_part
from learning.records import Action, Message, Sampling

ONLY_THOUGHT = (
    "You only thought, and the reply ended without an answer. Think in one sentence or not at all, "
    "and give the answer at once."
)


class ReplyProgress:
    """Progress of a reply of about known length, with the time that it will still take."""

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
        """A piece of the reply has come; an empty one says nothing of the speed."""
        if not text:
            return
        if not self._characters:
            self._started = self._clock()
        self._characters += len(text)
        rate = self._characters / max(self._clock() - self._started, 1e-3)
        left = self._expected - self._characters
        if left > 0:
            self._emit(Progress(self._characters, self._expected, "characters", left / rate))
        else:  # longer than expected, and nobody knows by how much
            self._emit(Progress(self._characters, 0, "characters"))


class _Wait:
    """Shows what is waited for, as a stage of its own."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._reason = ""

    def goes_on(self, waiting: Waiting) -> None:
        if waiting.reason != self._reason:
            self._emit(StageStarted(waiting.reason))
        self._reason = waiting.reason
        self._emit(Progress(waiting.elapsed_s, 0, "s"))

    def ends(self, name: str) -> None:
        if self._reason:
            self._emit(StageStarted(f"{name} answers"))
        self._reason = ""


async def ask(
    model: Model,
    messages: Sequence[Message],
    *,
    sampling: Sampling,
    emit: Emit,
    on_text: Callable[[str], object] = lambda _: None,
    may_stop: bool = False,
) -> Reply:
    """Ask for one whole reply, with a word about what is waited for while nothing comes.

    With `may_stop`, a reply that goes in circles is stopped; what came before the circle is the reply.

    Raises:
        ModelError: If there is no answer.
    """
    reply: Reply | None = None
    wait = _Wait(emit)
    heard = ""
    async with aclosing(
        cast(AsyncGenerator[str | Reply | Waiting], model.stream(messages, sampling=sampling))
    ) as pieces:
        async for item in pieces:
            match item:
                case Reply():
                    reply = item
                case Waiting():
                    wait.goes_on(item)
                case str():
                    wait.ends(model.name)
                    on_text(item)
                    emit(TextDelta(item))
                    heard += item
                    if may_stop and (end := end_of_first_round(heard)) is not None:
                        emit(Notice(f"{model.name} began to repeat itself and was stopped"))
                        reply = await _stopped(model, messages, usable_part(heard, end), sampling)
                        break
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
    if unsaid(reply):
        emit(Notice(_only_thought(reply, sampling), "warning"))
    return reply


async def _stopped(
    model: Model, messages: Sequence[Message], text: str, sampling: Sampling
) -> Reply:
    """The reply that a stopped one leaves; it has no token ids, since it was cut within one."""
    action = Action(text=text, model=model.name, adapter=model.adapter, sampling=sampling)
    return Reply(action=action, prompt_tokens=await model.count_tokens(messages))


def unsaid(reply: Reply) -> str:
    """The model's thought, where it only thought and gave no answer; else nothing."""
    text = reply.action.text
    if not text.strip():
        return reply.thought.strip()
    unfinished = part_reply(text.replace("\r\n", "\n")).unfinished
    return text.strip() if unfinished else ""


def _only_thought(reply: Reply, sampling: Sampling) -> str:
    name, limit = reply.action.model, sampling.max_tokens
    off = "switch its thinking off where it is served"
    if reply.action.finish != "length":
        return f"{name} only thought and gave no answer: {off}, or use another model"
    return (
        f"{name} used up all {limit} tokens of its reply by thinking and gave no answer: raise "
        f"turn.max_reply_tokens (this reply had {limit}), or {off}"
    )
