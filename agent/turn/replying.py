"""Gets the replies of one turn, each within the room and the tokens that are left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from agent.events import Notice, StageStarted, TurnEnding
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.model.protocol import ContextLengthError, Model, ReplyRefusedError
from agent.reply.parsed import ParsedReply, Unusable
from agent.streaming import Emit
from agent.turn.asking import ONLY_THOUGHT, Circle, ask, unsaid
from agent.turn.beginning import Beginning
from agent.turn.conversation import INTERRUPTED, Conversation
from agent.turn.history import TurnHistory
from agent.turn.opening import asks_for_test, is_for_tests
from agent.turn.outcome import End
from agent.turn.reading import read_reply
from agent.turn.repeating import end_of_code, end_of_tests
from learning.records import Action, Sampling

_MOST_CONTINUED = 2
"""Times that a reply which reaches its limit goes on; one that was asked for again does not."""
_TEMPERATURE_AGAIN = 0.4


@dataclass(kw_only=True)
class Replies:
    """The model of one turn, and what its last reply was like."""

    conversation: Conversation
    user_text: str
    model: Model
    history: TurnHistory
    sampling: Sampling
    """Its `max_tokens` are those of the longest reply."""
    emit: Emit
    wanted: Wanted | None = None
    begun: Beginning | None = None
    """The beginning of the next reply; the model writes the rest."""
    used_tokens: int = 0
    """Tokens that the turn has read and made so far."""
    answering_s: float = 0.0
    """Seconds that the replies of the turn took so far."""
    free_tokens: int = 0
    """Tokens of the context that the last reply left."""
    only_thought: bool = False
    """True if the last reply held thoughts and no answer."""

    async def next(self, *, reasks: int) -> Action | End:
        """The next reply; a reason if there is none, and then the history is closed already.

        `reasks` is the number of replies that were asked for again: the next one is drawn otherwise.
        """
        messages = self.conversation.messages
        room = await self.history.reply_room()
        if isinstance(room, End):
            return room
        sampling = replace(self.sampling, max_tokens=min(room, self.sampling.max_tokens))
        if reasks:  # the same words at the same temperature give the same reply
            again = max(sampling.temperature, _TEMPERATURE_AGAIN)
            sampling = replace(sampling, temperature=again, seed=reasks)
        limit = self.model.context_length
        used = f"{limit - room} of {limit} tokens are used"
        self.emit(StageStarted(f"{self.model.name} answers ({used})"))
        heard: list[str] = []
        begun, self.begun = self.begun, None
        said = False
        try:
            reply = await ask(
                self.model,
                messages,
                sampling=sampling,
                emit=self.emit,
                on_text=heard.append,
                circle=self._circle(),
                prose_alone=self.wanted is Wanted.EXPLAIN,
                goes_on=0 if reasks else _MOST_CONTINUED,
                begun=begun,
            )
            said = True
        except ContextLengthError as err:
            return End(ending=TurnEnding.CONTEXT_FULL, reason=str(err))
        except ReplyRefusedError as err:
            return End(ending=TurnEnding.UNUSABLE, reason=str(err))
        finally:
            if not said:
                self.conversation.say("assistant", f"{''.join(heard)}{INTERRUPTED}")
        self.used_tokens += reply.prompt_tokens - reply.cached_tokens + reply.completion_tokens
        self.answering_s += reply.duration_s
        self.free_tokens = max(0, room - reply.completion_tokens)
        self.only_thought = bool(unsaid(reply))
        if reply.action.finish == "length" and not self.only_thought:
            self.emit(
                Notice(f"the reply was cut off at {reply.completion_tokens} tokens", "warning")
            )
        return reply.action

    def _circle(self) -> Circle:
        if is_for_tests(self.wanted, self.user_text):
            return end_of_tests
        shown = "\n".join(self.conversation.shown_files.values())
        return partial(end_of_code, with_tests=asks_for_test(self.user_text), shown=shown)

    def read(self, action: Action, sources: Sources) -> ParsedReply:
        """The last reply as edits, a command, an answer, or nothing that can be used."""
        if self.only_thought:
            return Unusable(kind="empty", reason=ONLY_THOUGHT)
        return read_reply(
            action,
            user_text=self.user_text,
            conversation=self.conversation,
            sources=sources,
            wanted=self.wanted,
            emit=self.emit,
        )
