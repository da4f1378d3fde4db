"""Asks the model for one reply and shows it while it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from agent.events import Notice, Progress, ReplyFinished, StageStarted, TextDelta
from agent.model.protocol import Model, ModelError, Reply, Waiting
from agent.reply.reasoning import part_reply
from agent.streaming import Emit
from learning.records import Message, Sampling

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
        """A piece of the reply has come."""
        if not self._characters:
            self._started = self._clock()
        self._characters += len(text)
        rate = self._characters / max(self._clock() - self._started, 1e-3)
        left = max(0, self._expected - self._characters)
        total = max(self._expected, self._characters)
        self._emit(Progress(self._characters, total, "characters", left / rate))


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
) -> Reply:
    """Ask for one whole reply, with a word about what is waited for while nothing comes.

    Raises:
        ModelError: If there is no answer.
    """
    reply: Reply | None = None
    wait = _Wait(emit)
    async for item in model.stream(messages, sampling=sampling):
        match item:
            case Reply():
                reply = item
            case Waiting():
                wait.goes_on(item)
            case str():
                wait.ends(model.name)
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
    if unsaid(reply):
        emit(Notice(_only_thought(reply, sampling), "warning"))
    return reply


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
