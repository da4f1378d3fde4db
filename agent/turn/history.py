"""Puts a turn into the conversation's history, within the room that the model's context has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agent.context.compaction import summarised
from agent.events import ContextCompacted, Notice, TurnEnding
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.model.protocol import Model
from agent.prompt_files import Name, prompt
from agent.settings.schema import TurnSettings
from agent.streaming import Emit
from agent.turn.conversation import INTERRUPTED, Conversation
from agent.turn.opening import Background, open_turn
from agent.turn.outcome import End
from learning.records import Message

_SMALLEST_REPLY_TOKENS = 128


@dataclass(kw_only=True)
class TurnHistory:
    """The history of one turn; where it is full, the turn goes on behind a summary."""

    conversation: Conversation
    user_text: str
    model: Model
    limits: TurnSettings
    background: Background
    system: Name
    sources: Sources
    emit: Emit
    wanted: Wanted | None = None
    facts: str = ""
    looked_at: tuple[str, ...] = ()
    """The places that were shown to the model because the request is about them."""
    compacted: bool = False
    """True if this turn went on in a new history already."""

    async def reply_room(self) -> int | End:
        """Tokens that are free for a reply; a reason if they are too few, and then the history is closed."""
        used = await self.model.count_tokens(self.conversation.messages)
        room = self.model.context_length - used
        if room >= _SMALLEST_REPLY_TOKENS:
            return room
        # Roles go on alternating, whatever comes next.
        self.conversation.say("assistant", INTERRUPTED)
        return self._full(used, "the next request starts with a summary")

    async def go_on(self, observation: str) -> End | None:
        """Tell the model the outcome of its reply; in a new history, once, if this one is full."""
        told = Message(role="user", content=observation)
        used = await self.model.count_tokens([*self.conversation.messages, told])
        if self.model.context_length - used >= self._wanted or self.compacted:
            self.conversation.append(told)
            return None
        self.compacted = True
        self._compact(used)
        return await self.open(after=observation)

    @property
    def _wanted(self) -> int:
        """Tokens that a reply should have."""
        return min(self.limits.max_reply_tokens, self.model.context_length // 4)

    async def open(self, after: str = "") -> End | None:
        """Append the request with what it needs to be understood; a reason if there is no room.

        `after` is what came of the last reply, where the turn goes on in a new history.
        """
        room, used = await self._room(after)
        if room < self._wanted and self.conversation.messages:
            self._compact(used)
            room, used = await self._room(after)
        if room < _SMALLEST_REPLY_TOKENS:
            return self._full(used, "ask for less at once, or use a model with a larger context")
        budget = room - min(self.limits.max_reply_tokens, room // 2)
        opening = await asyncio.to_thread(
            open_turn,
            self.conversation,
            self.user_text,
            self.sources,
            self.background,
            budget_tokens=budget,
            wanted=self.wanted,
            facts=self.facts,
        )
        self.looked_at = opening.looked_at
        for path in opening.too_large:
            text = f"{path} was not shown to the model: it does not fit into the context"
            self.emit(Notice(text, "warning"))
        for message in self._start():
            self.conversation.append(message)
        happened = f"\n\nYou are in the middle of this. What came of your last step:\n{after}"
        self.conversation.say("user", opening.text + (happened if after else ""))
        return None

    def _start(self) -> list[Message]:
        if self.conversation.messages:
            return []
        return [Message(role="system", content=prompt(self.system))]

    async def _room(self, after: str) -> tuple[int, int]:
        """Tokens that are free once the bare request is in the history, and tokens used."""
        text = f"{self.conversation.summary}\n\n{self.user_text}\n\n{after}"
        asked = Message(role="user", content=text)
        messages = [*self.conversation.messages, *self._start(), asked]
        used = await self.model.count_tokens(messages)
        return self.model.context_length - used, used

    def _compact(self, used: int) -> None:
        summary = summarised(
            self.conversation.messages,
            requests=self.conversation.requests,
            changed=self.conversation.changed_files,
        )
        self.conversation.compact(summary)
        self.emit(ContextCompacted(used, summary))

    def _full(self, used: int, remedy: str) -> End:
        reason = f"context full: {used} of {self.model.context_length} tokens are used; {remedy}"
        return End(ending=TurnEnding.CONTEXT_FULL, reason=reason)
