"""Asks the model for one reply and shows it while it comes."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from agent.events import Notice, Progress, ReplyFinished, StageStarted, TextDelta
from agent.model.protocol import Continuer, Model, ModelError, Reply, Waiting
from agent.reply.reasoning import part_reply
from agent.streaming import Emit
from agent.turn.beginning import Beginning
from agent.turn.repeating import usable_part
from learning.records import Action, Message, Sampling

ONLY_THOUGHT = (
    "You only thought, and the reply ended without an answer. Think in one sentence or not at all, "
    "and give the answer at once."
)


_LEAST_ROOM = 64
"""Tokens below which a reply does not go on."""
_LEAST_PROSE = 160
"""Characters of prose that explain something."""
_LEAD_IN = re.compile(r"(?:(?<=[.!?])\s+|(?<=\n)|^)[^.!?\n]*(?:\.\w[^.!?\n]*)*:$")
"""The last sentence, where it announces what follows: a dot within a file's name ends none."""


Circle = Callable[[str], int | None]
"""Gives the place in a text behind the first round of what its end repeats; None if it repeats nothing."""


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


class _Listener:
    """Shows what the model says while it comes, and keeps it."""

    def __init__(
        self,
        model: Model,
        messages: Sequence[Message],
        *,
        sampling: Sampling,
        emit: Emit,
        on_text: Callable[[str], object],
        circle: Circle | None,
        prose_alone: bool,
    ) -> None:
        self._model = model
        self._messages = messages
        self._sampling = sampling
        self._emit = emit
        self._on_text = on_text
        self._circle = circle
        self._prose_alone = prose_alone
        self._begun: Beginning | None = None
        self._heard = ""
        self._pieces = 0
        self._started = 0.0
        self.stopped = False
        """True once the model went in circles, or on behind what was wanted."""

    async def hear(self, stream: AsyncIterator[str | Reply | Waiting]) -> Reply | None:
        """The reply at the end of a stream; of one that is stopped, what was complete of all that was heard."""
        wait = _Wait(self._emit)
        self._started = time.monotonic()
        async with aclosing(cast(AsyncGenerator[str | Reply | Waiting], stream)) as pieces:
            async for item in pieces:
                match item:
                    case Reply():
                        return item
                    case Waiting():
                        wait.goes_on(item)
                    case str():
                        wait.ends(self._model.name)
                        self._on_text(item)
                        self._emit(TextDelta(item))
                        self._heard += item
                        self._pieces += 1
                        if self._circle and (end := self._circle(self._heard)) is not None:
                            name = self._model.name
                            self._emit(Notice(f"{name} began to repeat itself and was stopped"))
                            return await self._stop(usable_part(self._heard, end))
                        if self._begun and (end := self._begun.end_in(self._heard)) is not None:
                            return await self._stop(usable_part(self._heard, end))
                        if self._prose_alone and (prose := prose_before_code(self._heard)):
                            return await self._stop(prose)
        return None

    async def hear_on(
        self, begun: Beginning, stream: AsyncIterator[str | Reply | Waiting]
    ) -> Reply | None:
        """As `hear`, where this much of the reply stands already."""
        self._on_text(begun.text)
        self._emit(TextDelta(begun.text))
        self._begun, self._heard = begun, begun.text
        return await self.hear(stream)

    async def _stop(self, text: str) -> Reply:
        """The reply that a stopped one leaves; it has no token ids, since it was cut within one.

        Its tokens are counted by the pieces that came: a server sends one with each, or several.
        """
        model, self.stopped = self._model, True
        action = Action(text=text, model=model.name, adapter=model.adapter, sampling=self._sampling)
        read = await model.count_tokens(self._messages)
        return Reply(
            action=action,
            prompt_tokens=read,
            completion_tokens=self._pieces,
            duration_s=time.monotonic() - self._started,
        )


async def ask(
    model: Model,
    messages: Sequence[Message],
    *,
    sampling: Sampling,
    emit: Emit,
    on_text: Callable[[str], object] = lambda _: None,
    circle: Circle | None = None,
    prose_alone: bool = False,
    goes_on: int = 0,
    begun: Beginning | None = None,
) -> Reply:
    """Ask for one whole reply, with a word about what is waited for while nothing comes.

    `begun` is how the reply begins, where the model's server has a place for it; it is part of the reply.

    `circle` gives the end of what a reply that goes in circles says once: there it is stopped.
    With `prose_alone`, one that begins a block of code behind its prose is: the prose is the reply.
    A reply that reaches its limit goes on where it stopped, at most `goes_on` times.

    Raises:
        ModelError: If there is no answer.
    """
    listener = _Listener(
        model,
        messages,
        sampling=sampling,
        emit=emit,
        on_text=on_text,
        circle=circle,
        prose_alone=prose_alone,
    )
    if begun and isinstance(model, Continuer) and model.continues:
        stream = model.stream(messages, sampling=sampling, begun=begun.text)
        rest = await listener.hear_on(begun, stream)
        reply = rest if rest is None or listener.stopped else _behind(begun, rest)
    else:
        reply = await listener.hear(model.stream(messages, sampling=sampling))
    if reply is None:
        raise ModelError(f"{model.name} ended its answer without saying so; ask again")
    for _ in range(goes_on):
        room = model.context_length - reply.prompt_tokens - reply.completion_tokens
        if reply.action.finish != "length" or unsaid(reply) or room < _LEAST_ROOM:
            break
        if not isinstance(model, Continuer) or not model.continues:
            break
        further = replace(sampling, max_tokens=min(sampling.max_tokens, room))
        said = reply.action.text
        rest = await listener.hear(model.stream(messages, sampling=further, begun=said))
        if rest is None:
            break
        reply = rest if listener.stopped else _joined(reply, rest)
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


def prose_before_code(text: str) -> str:
    """The prose before the first block of code, without the sentence that leads to it; empty if it is short.

    A block right behind one sentence is quoted and explained; one behind an explanation is a repair.
    """
    prose, fence, _ = text.partition("\n```")
    if not fence or prose.lstrip().startswith("```"):
        return ""
    kept = prose.rstrip()
    if kept.endswith(":"):
        kept = _LEAD_IN.sub("", kept).rstrip()
    return kept if len(kept) >= _LEAST_PROSE else ""


def _behind(begun: Beginning, rest: Reply) -> Reply:
    """A reply with its beginning; it has no token ids, since a part was read as text.

    A server that takes the beginning for a message of its own is answered from the start: that stays.
    """
    text = rest.action.text
    action = replace(
        rest.action,
        text=text if begun.is_said_again(text) else begun.text + text,
        prompt_ids=(),
        token_ids=(),
        logprobs=None,
    )
    return replace(rest, action=action)


def _joined(reply: Reply, rest: Reply) -> Reply:
    """A reply with what continued it; it has no token ids, since it was read again as text."""
    action = replace(
        reply.action,
        text=reply.action.text + rest.action.text,
        finish=rest.action.finish,
        prompt_ids=(),
        token_ids=(),
        logprobs=None,
    )
    return replace(
        reply,
        action=action,
        completion_tokens=reply.completion_tokens + rest.completion_tokens,
        duration_s=reply.duration_s + rest.duration_s,
    )


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
