"""The model's reply to a prompt, cut and continued: what the fix loop and the search splice with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.advice.existing import AskNames, ExistingNames
from agent.advice.failure import FailureContext
from agent.candidates.splicing import Failed, Resumed, Voice
from agent.events import StageStarted
from agent.model.protocol import Continuer, Model, Reply
from agent.streaming import Emit
from learning.records import Message, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyVoice:
    """A model that goes on behind any beginning of its reply to one prompt. See `Voice`."""

    model: Continuer
    messages: Sequence[Message]
    sampling: Sampling
    emit: Emit

    async def choose(self, begun: str, choices: tuple[str, ...]) -> str:
        """See `Voice.choose`."""
        return await self.model.choose(self.messages, begun, choices)

    async def resume(self, begun: str, max_tokens: int) -> Resumed | None:
        """See `Voice.resume`."""
        if not self.model.continues:
            return None
        last = begun[begun.rfind("\n") + 1 :].strip()
        self.emit(StageStarted(f"the reply goes on from `{last}`"))
        sampling = replace(self.sampling, max_tokens=max_tokens)
        async for piece in self.model.stream(self.messages, sampling=sampling, begun=begun):
            if isinstance(piece, Reply):
                return Resumed(text=piece.action.text, tokens=piece.completion_tokens)
        return None


def voice_of(
    model: Model, messages: Sequence[Message], sampling: Sampling, emit: Emit
) -> Voice | None:
    """The model's voice at a prompt; None where its server cannot go on with a reply."""
    if not isinstance(model, Continuer) or not model.continues:
        return None
    return ReplyVoice(model=model, messages=messages, sampling=sampling, emit=emit)


def failed_with(message: str, failure: FailureContext, names: AskNames) -> Failed:
    """The failure of a reply, whose names are asked for only where its message names an absent one."""

    async def there() -> ExistingNames:
        return await names(failure)

    return Failed(message=message, there=there)
